"""Tables and figures, made from records alone: no Keras, no data, no accelerator.

``tables`` are for terminals; ``figures`` are PNG files, and load matplotlib only when one is drawn.
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
from kerasae.reports.tables import (
    bd_rate_table,
    inspection_table,
    ladder_table,
    rate_table,
    run_comparison_table,
    run_difference_table,
    runs_table,
    score_table,
    sweep_table,
)

__all__ = [
    "bd_rate_table",
    "crop_sheet",
    "inspection_table",
    "labelled_grid",
    "ladder_table",
    "loss_curves",
    "metric_histograms",
    "noise_sweep",
    "rate_distortion",
    "rate_table",
    "reconstruction_grid",
    "run_comparison_table",
    "run_difference_table",
    "runs_table",
    "score_table",
    "sweep_table",
]
