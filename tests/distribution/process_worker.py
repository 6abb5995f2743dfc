"""Be one of several processes of ``kerasae train``, and write down what this one saw.

python process_worker.py KEPT.npz train …
"""

import json
import sys

import numpy as np

from kerasae import api
from kerasae.cli.app import main
from kerasae.runtime import choose_backend

choose_backend()

from kerasae.training import train_run as train_recipe  # noqa: E402

rows, trainers = [], []


class Recording(api.TrainingProgress):
    """The command line's own progress, written down."""

    def epoch(self, row):
        super().epoch(row)
        rows.append({key: value for key, value in row.items() if key not in ("seconds", "images_per_second")})


api.TrainingProgress = Recording
build = train_recipe.build_trainer
train_recipe.build_trainer = lambda *given, **named: trainers.append(build(*given, **named)) or trainers[-1]
kept, sys.argv = sys.argv[1], ["kerasae", *sys.argv[2:]]
try:
    main()
except SystemExit as end:
    if end.code:
        raise
weights = trainers[0].autoencoder.get_weights()
np.savez(kept, rows=json.dumps(rows), **{f"weight_{place}": weight for place, weight in enumerate(weights)})
