"""A report as Markdown, LaTeX or CSV."""

from kerasae.reports.text.report_text import report_text

__all__ = ["report_text"]
