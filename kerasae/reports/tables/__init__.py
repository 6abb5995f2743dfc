"""Tables for terminals, right from 80 columns up."""

from kerasae.reports.tables.comparison_table import comparison_table
from kerasae.reports.tables.inspection_table import inspection_table
from kerasae.reports.tables.ladder_table import ladder_table
from kerasae.reports.tables.plan_table import plan_table
from kerasae.reports.tables.rate_table import bd_rate_table, rate_table
from kerasae.reports.tables.run_comparison_table import run_comparison_table, run_difference_table
from kerasae.reports.tables.runs_table import runs_table
from kerasae.reports.tables.score_table import score_table
from kerasae.reports.tables.study_table import study_table
from kerasae.reports.tables.sweep_table import sweep_table

__all__ = [
    "bd_rate_table",
    "comparison_table",
    "inspection_table",
    "ladder_table",
    "plan_table",
    "rate_table",
    "run_comparison_table",
    "run_difference_table",
    "runs_table",
    "score_table",
    "study_table",
    "sweep_table",
]
