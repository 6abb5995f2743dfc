"""Tables and figures, made from records alone: no Keras, no data, no accelerator.

``tables`` are for terminals; ``figures`` are PNG files, and load matplotlib only when one is drawn; ``page`` makes one
HTML document of everything, and ``report_text`` its main table as Markdown, LaTeX or CSV.
"""

from kerasae.reports.figures import (
    crop_sheet,
    labelled_grid,
    loss_curves,
    metric_histograms,
    noise_sweep,
    rate_distortion,
    reconstruction_grid,
)
from kerasae.reports.page import page
from kerasae.reports.tables import (
    bd_rate_table,
    comparison_table,
    inspection_table,
    ladder_table,
    plan_table,
    rate_table,
    run_comparison_table,
    run_difference_table,
    runs_table,
    score_table,
    study_table,
    sweep_table,
)
from kerasae.reports.text import report_text

__all__ = [
    "bd_rate_table",
    "comparison_table",
    "crop_sheet",
    "inspection_table",
    "labelled_grid",
    "ladder_table",
    "loss_curves",
    "metric_histograms",
    "noise_sweep",
    "page",
    "plan_table",
    "rate_distortion",
    "rate_table",
    "reconstruction_grid",
    "report_text",
    "run_comparison_table",
    "run_difference_table",
    "runs_table",
    "score_table",
    "study_table",
    "sweep_table",
]
