"""How it was measured, and what it does not say."""

import json
from typing import Any

from markupsafe import Markup

from kerasae.records import ReportContent
from kerasae.reports.tables import Code, Definitions, Details, Paragraph, Rich
from kerasae.reports.wording import in_order

DEFINITIONS = (
    ("PSNR", "10·log₁₀(1 / MSE) in dB of each image, intensities in [0, 1]; then the mean over images."),
    ("PSNR of mean MSE", "The same of the mean squared error over all images; never above the mean PSNR."),
    ("SSIM", "Structural similarity of each image with the clean one; then the mean over images."),
    ("Noise", "Gaussian, σ its standard deviation in [0, 1] intensity, on the input only; metrics see the clean one."),
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


def measured(content: ReportContent) -> list[Any]:
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
    return blocks


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


_DEEPEST = 6

FACES = (
    "A learned codec draws what such numbers usually looked like in training. Faces unlike those it has seen may come "
    "back worse, and plausibly so: the error looks like a face, not like an error."
)
MARKS = (
    "Scars, tattoos, birthmarks and other marks are small and rare, so a model may smooth them away, move them or "
    "invent them, and PSNR or SSIM over a whole image hardly notice. Nothing on this page has measured marks or groups "
    "of people by themselves. Do not use a reconstruction as evidence of who or what was there."
)


def limits(content: ReportContent) -> list[Any]:
    """Return what the models may do to faces and marks, and the cards, folded."""
    blocks = [Paragraph(FACES), Paragraph(MARKS)]
    for name, markdown in sorted(content.cards.items(), key=lambda item: item[0] == "ethics"):
        title = "What to check before relying on a compressed face" if name == "ethics" else f"Data card: {name}"
        blocks.append(Details(title, [Rich(safe_html(markdown))]))
    return blocks


def safe_html(markdown: str) -> Markup:
    """Return Markdown as HTML without any HTML of its own, links or images; headings begin two levels below the page's.

    A link would be the one way off the page; its words stay.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink", "html_inline"])
    tokens = parser.parse(markdown)
    headings = sorted({int(token.tag[1]) for token in tokens if token.type == "heading_open"})
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(3 + headings.index(int(token.tag[1])), _DEEPEST)}"
        if token.type == "th_open":
            token.attrSet("scope", "col")
        # Alignment comes as a style attribute, which the page's policy forbids.
        token.attrs.pop("style", None)
        for child in token.children or ():
            _without_link(child)
    html = parser.renderer.render(tokens, parser.options, {})
    # Wide tables scroll by themselves, and the keyboard must reach them.
    around = '<div class="scroll" tabindex="0" role="region" aria-label="table of the card"><table>'
    return Markup(html.replace("<table>", around).replace("</table>", "</table></div>"))


def _without_link(token):
    if token.type in ("link_open", "link_close"):
        token.tag = "span"
        token.attrs.clear()
