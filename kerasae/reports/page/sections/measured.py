"""How everything was measured."""

import json
from typing import Any

from kerasae.records import ReportContent
from kerasae.reports.page.blocks import Code, Definitions, Details, Section
from kerasae.reports.text.naming import in_order

DEFINITIONS = (
    ("PSNR", "10·log₁₀(1 / MSE) in dB of each image, intensities in [0, 1]; then the mean over images."),
    ("PSNR of mean MSE", "The same of the mean squared error over all images; never above the mean PSNR."),
    ("SSIM", "Structural similarity of each image with the clean one; then the mean over images."),
    (
        "Noise",
        "Gaussian, σ its standard deviation in [0, 1] intensity, on the input only; metrics see the clean one.",
    ),
    ("Do nothing", "The noisy image itself, scored like a reconstruction."),
)
_RUN_INTERVAL = ("Interval", "95 % bootstrap interval of the mean over images: other images, this very model.")
_STUDY_INTERVALS = (
    ("Interval", "95 %, of the mean over seeds and images, as if other seeds and other images had been drawn as well."),
    ("Comparison", "Mean over seeds and images of level − reference on the same images; p and interval of one test."),
    ("Holm’s correction", "With many comparisons some look real by chance; p is corrected over all of them."),
    ("Hint", "The interval excludes 0, but not after the correction: not a finding."),
    ("One seed", "How much trainings differ is unknown; the interval speaks of images only, and nothing is ranked."),
    ("Seed spread", "Standard deviation of one training’s mean over seeds, pooled from both sides."),
)


def measured_section(content: ReportContent) -> Section:
    """Return versions, seeds, data, definitions, recipes and the command."""
    definitions = [*DEFINITIONS, *(_STUDY_INTERVALS if content.study else (_RUN_INTERVAL,))]
    recipes = in_order((run.record.recipe_name, as_toml(run.recipe)) for run in content.runs)
    blocks = [
        Definitions(_facts(content)),
        Details("What the words mean", [Definitions(definitions)], open=True),
        *(Details(f"Recipe {name}", [Code(text, f"recipe {name}")]) for name, text in recipes[:1]),
    ]
    if recipes[1:]:
        rest = [Details(f"Recipe {name}", [Code(text, f"recipe {name}")]) for name, text in recipes[1:]]
        blocks.append(Details(f"The other {len(rest)} recipes", rest))
    return Section("measured", "How it was measured", "Method", blocks)


def as_toml(recipe: dict[str, Any]) -> str:
    """Return nested dictionaries in the manner of a recipe file; values that TOML lacks are written as JSON."""
    lines = [f"{key} = {_value(value)}" for key, value in recipe.items() if not isinstance(value, dict)]
    for section, values in recipe.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines).strip() + "\n"


def _value(value):
    return json.dumps(value, ensure_ascii=False, default=str)


def _all(content: ReportContent, key: str) -> str:
    return "; ".join(in_order(str(getattr(run.record, key)) for run in content.runs if getattr(run.record, key)))


def _facts(content: ReportContent) -> list[tuple[str, str]]:
    study = content.study
    counts = in_order(tuple(run.record.image_counts.items()) for run in content.runs)
    versions = in_order(tuple(run.record.versions.items()) for run in content.runs)
    fingerprint = study.fingerprint if study else _all(content, "fingerprint")
    facts = [
        ("Data", study.data if study else "; ".join(in_order(s.data for run in content.runs for s in run.scores))),
        ("Fingerprint of the data", study.data_fingerprint if study else _all(content, "data_fingerprint")),
        ("Images", "; ".join(", ".join(f"{count:,} {split}" for split, count in one) for one in counts)),
        ("Scored on", f"the {study.split} images" if study else ""),
        ("Noise levels σ", ", ".join(f"{sigma:g}" for sigma in study.sigmas) if study else ""),
        ("Seeds", ", ".join(map(str, study.seeds)) if study else _all(content, "seed")),
        ("Objective", _all(content, "objective")),
        ("Backend", _all(content, "backend")),
        ("Device", _all(content, "device")),
        ("Versions", "; ".join(", ".join(f"{name} {version}" for name, version in one) for one in versions)),
        ("Fingerprint of the study" if study else "Fingerprint of the recipe", fingerprint),
        ("Study command", study.command if study else ""),
        ("This page", content.command),
    ]
    return [(term, text) for term, text in facts if text]
