"""Tables and figures, made from records alone: no Keras, no data, no accelerator.

``tables`` are for terminals; ``figures`` are PNG files, and load matplotlib only when one is drawn; ``page`` makes one
HTML document of everything, and ``report_text`` its main table as Markdown, LaTeX or CSV.
"""

from kerasae.reports.figures import loss_curves as loss_curves
from kerasae.reports.figures import metric_histograms as metric_histograms
from kerasae.reports.figures import noise_sweep as noise_sweep
from kerasae.reports.figures import rate_distortion as rate_distortion
from kerasae.reports.grids import report_text as report_text
from kerasae.reports.page import page as page
from kerasae.reports.picture_figures import crop_sheet as crop_sheet
from kerasae.reports.picture_figures import labelled_grid as labelled_grid
from kerasae.reports.picture_figures import reconstruction_grid as reconstruction_grid
from kerasae.reports.tables import bd_rate_table as bd_rate_table
from kerasae.reports.tables import comparison_table as comparison_table
from kerasae.reports.tables import inspection_table as inspection_table
from kerasae.reports.tables import ladder_table as ladder_table
from kerasae.reports.tables import plan_table as plan_table
from kerasae.reports.tables import rate_table as rate_table
from kerasae.reports.tables import run_comparison_table as run_comparison_table
from kerasae.reports.tables import run_difference_table as run_difference_table
from kerasae.reports.tables import runs_table as runs_table
from kerasae.reports.tables import score_table as score_table
from kerasae.reports.tables import study_table as study_table
from kerasae.reports.tables import sweep_table as sweep_table

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
