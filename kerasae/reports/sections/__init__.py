"""The sections of the page, in their order: a new one is a function and a line here."""

from kerasae.reports.blocks import Section
from kerasae.reports.sections.comparisons import comparisons
from kerasae.reports.sections.method import limits, measured
from kerasae.reports.sections.runs import cost, examples, latents, training
from kerasae.reports.sections.scores import noise, rates, scores, spread

SECTIONS: dict[str, Section] = {
    "scores": Section("Scores", scores),
    "comparisons": Section("Compared, all else equal", comparisons, "Comparisons"),
    "noise": Section("Under noise", noise, "Noise"),
    "rates": Section("Quality against bits", rates, "Bits"),
    "training": Section("Training", training),
    "spread": Section("Spread over images", spread, "Spread"),
    "examples": Section("Images", examples, pictures=True),
    "latents": Section("Latents of the variational models", latents, "Latents"),
    "cost": Section("Training cost", cost, "Cost"),
    "measured": Section("How it was measured", measured, "Method"),
    "limits": Section("Limits", limits),
}
