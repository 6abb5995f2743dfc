"""The table that the page begins with."""

from kerasae.records import ReportContent
from kerasae.reports.page.blocks import Paragraph, Section, Table
from kerasae.reports.text.main_grid import main_grid
from kerasae.reports.text.tidy_csv import tidy_csv
from kerasae.reports.text.written import as_latex, as_markdown


def scores_section(content: ReportContent) -> Section | None:
    """Return the main table, which is copied with the words of ``kerasae report --format``."""
    grid = main_grid(content)
    if not grid.rows:
        return None
    exports = {"CSV": tidy_csv(content), "Markdown": as_markdown(grid), "LaTeX": as_latex(grid)}
    blocks = [Table("main", grid, exports=exports)]
    if content.study and content.study.failed:
        lost = "; ".join(f"{run}: {said}" for run, said in content.study.failed.items())
        blocks.append(Paragraph(f"Failed, and missing above: {lost}"))
    note = f"CSV holds every noise level and metric{' and each seed’s mean' * bool(content.study)}, in all digits."
    return Section("scores", "Scores", "Scores", [*blocks, Paragraph(note, quiet=True)])
