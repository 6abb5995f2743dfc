"""Rate–distortion records on disk."""

import json
from dataclasses import replace
from pathlib import Path

from kerasae.rate_distortion.bd_rate import METRICS, bd_rate
from kerasae.records import BdRate, RateContent, RatePoint, StudyRecord
from kerasae.studies.evidence import codecs_path, rate_path
from kerasae.training import Run


def rates_of_run(run: Run, runs: Path) -> list[RateContent]:
    """Return what ``kerasae rate-distortion`` measured of ``run``, from the folder ``runs``, the latest first."""
    found = []
    files = sorted(runs.glob("rate_distortion-*/rate_distortion.json"), key=lambda path: -path.stat().st_mtime)
    for path in files:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if run.name in plain.get("runs", []):
            points = tuple(RatePoint(**point) for point in plain["points"])
            found.append(RateContent(plain["title"], points, tuple(BdRate(**one) for one in plain["bd_rates"])))
    return found


def rates_of_study(record: StudyRecord, folder: Path, runs: dict[str, Run]) -> list[RateContent]:
    """Return the curves of a study's cells, each of its first seed's run, and of the classical codecs; or nothing."""
    curves = []
    for cell in record.cells:
        path = rate_path(runs[cell.runs[0]], record.split)
        if path.is_file():
            curves.append([replace(point, codec=cell.label) for point in _points(path)])
    if not curves:
        return []
    path = codecs_path(folder)
    classical: dict[str, list[RatePoint]] = {}
    for point in _points(path) if path.is_file() else []:
        classical.setdefault(point.codec, []).append(point)
    others = list(classical.values())
    points = tuple(point for curve in [*curves, *others] for point in curve)
    rates = [bd_rate(curve, other, metric) for curve in curves for other in others for metric in METRICS]
    return [RateContent(f"{record.data}, {record.split} images, first seed", points, tuple(rates))]


def _points(path: Path) -> list[RatePoint]:
    return [RatePoint(**point) for point in json.loads(path.read_text(encoding="utf-8"))]
