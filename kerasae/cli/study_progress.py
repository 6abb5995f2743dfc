"""How a study looks while it goes on."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text


class StudyProgress:
    """A bar for the study and one for each run at work on a terminal; elsewhere a line for each run that ends."""

    def __init__(self, console: Console, name: str, *, jobs: Sequence, done: int):
        self.console = console
        self.total = len(jobs)
        self.ended = 0
        self._began: dict[str, float] = {}
        self._tasks: dict[str, int] = {}
        self._bar = None
        if jobs and done:
            console.print(f"{done} run{'s are' if done > 1 else ' is'} finished already and reused", highlight=False)
        if jobs and console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
            self._bar = Progress(
                *columns, TimeRemainingColumn(compact=True), console=console, transient=True, expand=True
            )
            self._whole = self._bar.add_task(f"[bold]{name}", total=self.total)

    def __enter__(self):
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error):
        if self._bar:
            self._bar.stop()

    def hear(self, event) -> None:
        """Show an ``Event`` of ``kerasae.studies.job``."""
        if event.kind == "started":
            self._began[event.job] = time.monotonic()
            if self._bar and event.job not in self._tasks:
                self._tasks[event.job] = self._bar.add_task(f"  {event.job}", total=None)
        elif event.kind == "progress" and self._bar:
            self._bar.update(self._tasks[event.job], completed=event.done, total=event.total)
        elif event.kind == "ended":
            self._end(event)

    def _end(self, event) -> None:
        self.ended += 1
        if self._bar:
            self._bar.remove_task(self._tasks.pop(event.job))
            self._bar.update(self._whole, completed=self.ended)
        if event.outcome.status == "failed":
            text = Text.assemble(("failed: ", "bold red"), f"{event.job}: {event.outcome.message}")
            self.console.print(text, soft_wrap=True)
        elif not self._bar:
            line = f"{self.ended}/{self.total}  {event.job}  {event.outcome.seconds:.0f} s"
            self.console.print(line, highlight=False, soft_wrap=True)
