"""Noise sweeps on disk that a run took part in."""

import json
from pathlib import Path

from kerasae.records import Score


def swept_scores(run: str, runs: Path) -> list[Score]:
    """Return the scores of the latest noise sweep in the folder ``runs`` that ``run`` took part in.

    They include those of other runs, and of doing nothing.
    """
    files = sorted(runs.glob("noise_sweep-*/scores.json"), key=lambda path: -path.stat().st_mtime)
    for path in files:
        scores = [Score.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        if any(score.run == run for score in scores):
            return scores
    return []
