"""Train the recipes on as many devices as asked for; on several, one of them again with a stop in between.

python devices_worker.py IMAGES RUNS DEVICES
"""

import sys
from importlib.util import find_spec

from kerasae.runtime import choose_backend

choose_backend()

from kerasae.training import Reporter, train  # noqa: E402
from kerasae.training import train_run as train_recipe  # noqa: E402
from tests.distribution.recipes import NAMES, recipe_of  # noqa: E402


class Stop(Reporter):
    """Ctrl-C after the second epoch."""

    def epoch(self, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt


def main(images, runs, devices):
    kept = []
    build = train_recipe.build_trainer
    train_recipe.build_trainer = lambda *given, **named: kept.append(build(*given, **named)) or kept[-1]
    for name in NAMES:
        train(recipe_of(name, images, devices), runs=f"{runs}/whole")
    # Not only asked for: the weights of each are on all devices.
    assert {len(weight.value.sharding.device_set) for trainer in kept for weight in trainer.weights} == {devices}
    if devices == 1:
        return
    # Fed by tf.data, which is to deliver the same.
    feed = "tf.data" if find_spec("tensorflow") else "numpy"
    recipe = recipe_of("noisy_vae", images, devices, feed=feed)
    try:
        train(recipe, runs=f"{runs}/parts", reporter=Stop())
    except KeyboardInterrupt:
        train(recipe, runs=f"{runs}/parts")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
