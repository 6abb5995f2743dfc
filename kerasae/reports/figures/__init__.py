"""Figures as PNG files, each written whole or not at all. matplotlib loads when one is drawn, without global state."""

from kerasae.reports.figures.crop_sheet import crop_sheet
from kerasae.reports.figures.labelled_grid import labelled_grid
from kerasae.reports.figures.loss_curves import loss_curves
from kerasae.reports.figures.metric_histograms import metric_histograms
from kerasae.reports.figures.noise_sweep import noise_sweep
from kerasae.reports.figures.rate_distortion import rate_distortion
from kerasae.reports.figures.reconstruction_grid import reconstruction_grid

__all__ = [
    "crop_sheet",
    "labelled_grid",
    "loss_curves",
    "metric_histograms",
    "noise_sweep",
    "rate_distortion",
    "reconstruction_grid",
]
