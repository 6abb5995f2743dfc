"""The sections of the page, in their order: a new one is a function and a line here."""

from kerasae.reports.sections.audit import audits
from kerasae.reports.sections.method import limits, measured
from kerasae.reports.sections.runs import cost, examples, latents, training
from kerasae.reports.sections.scores import comparisons, noise, rates, scores, spread
from kerasae.reports.tables import Section

SECTIONS: dict[str, Section] = {
    "scores": Section("Scores", scores),
    "comparisons": Section("Compared, all else equal", comparisons, "Comparisons"),
    "noise": Section("Under noise", noise, "Noise"),
    "rates": Section("Quality against bits", rates, "Bits"),
    "audit": Section("Marks and groups", audits, "Audit"),
    "training": Section("Training", training),
    "spread": Section("Spread over images", spread, "Spread"),
    "examples": Section("Images", examples, pictures=True),
    "latents": Section("Latents of the variational models", latents, "Latents"),
    "cost": Section("Training cost", cost, "Cost"),
    "measured": Section("How it was measured", measured, "Method"),
    "limits": Section("Limits", limits),
}
