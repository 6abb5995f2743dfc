"""Tables and figures, made from records alone: no Keras, no data, no accelerator.

``tables`` are for terminals; ``figures`` are PNG files, and load matplotlib only when one is drawn.
"""

from kerasae.reports.figures import loss_curves, metric_histograms, noise_sweep, reconstruction_grid
from kerasae.reports.tables import runs_table, score_table, sweep_table

__all__ = [
    "loss_curves",
    "metric_histograms",
    "noise_sweep",
    "reconstruction_grid",
    "runs_table",
    "score_table",
    "sweep_table",
]
