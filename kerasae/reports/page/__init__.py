"""A report as one HTML page, light and dark, for screens of all widths, readers of all kinds, and paper."""

from kerasae.reports.page.page import page

__all__ = ["page"]
