"""Tables for terminals, right from 80 columns up."""

from kerasae.reports.tables.runs_table import runs_table
from kerasae.reports.tables.score_table import score_table
from kerasae.reports.tables.sweep_table import sweep_table

__all__ = ["runs_table", "score_table", "sweep_table"]
