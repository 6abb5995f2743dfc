"""What the commands print to, and how progress looks."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from kerasae.errors import printable
from kerasae.metrics.registry import psnr_of_mse


class _Console(Console):
    """A console that writes what a terminal would obey, such as in the name of a file, so that it is seen instead."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; text is made printable."""
        super().print(*(printable(one, keep="\n\t") if isinstance(one, str) else one for one in objects), **options)


out = _Console()
err = _Console(stderr=True)


def waiting(words: str, verbose: bool = True):
    """Return a context that shows ``words`` with a spinner on a terminal, and nothing elsewhere."""
    return err.status(words, spinner="dots") if verbose and err.is_terminal else nullcontext()


@contextmanager
def counting(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield ``progress(done, total)``: a bar on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("[bold]{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True, expand=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


_PLAIN_SECONDS = 10.0


class _TwoLines(Progress):
    """A bar with the terms on a line of their own, so that neither takes the other's room on a narrow terminal."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["terms"]:
                yield Text(task.fields["terms"], style="dim", no_wrap=True, overflow="ellipsis")


class TrainingProgress:
    """A live bar on a terminal, a line now and then elsewhere; has the methods of ``kerasae.training.Reporter``."""

    def __init__(self, console: Console, title: str):
        self.console = console
        self.title = title
        self._live = console.is_terminal
        self._bar: Progress | None = None
        self._task = None
        self._epochs = self._steps = self._images = 0
        self._last_line = time.monotonic()
        self._row: Mapping[str, float] = {}

    def loading(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        if self._live:
            self._start("decoding images", total)
            self._bar.update(self._task, completed=done, total=total, note=f"{done:,}/{total:,}")
            if done == total:
                self.close()
        elif done == total or time.monotonic() - self._last_line > _PLAIN_SECONDS:
            self._last_line = time.monotonic()
            self.console.print(f"decoded {done:,} of {total:,} images")

    def begin(self, *, epochs: int, epochs_done: int, steps_per_epoch: int, images: int) -> None:
        """Open the bar."""
        self._epochs, self._steps, self._images = epochs, steps_per_epoch, images
        if self._live:
            self._start(self.title, epochs * steps_per_epoch, completed=epochs_done * steps_per_epoch)

    def step(self, epoch: int, step: int, terms: Mapping[str, float]) -> None:
        """Move the bar; the terms change at most four times a second, and a glance can take in no more."""
        if not self._bar:
            return
        done = (epoch - 1) * self._steps + step
        note = f"epoch {epoch}/{self._epochs}"
        if self._row:
            note += f" · {self._row['images_per_second']:,.0f} images/s"
        now = time.monotonic()
        if now - self._last_line > 0.25 and terms:
            self._last_line = now
            self._bar.update(self._task, terms=self._terms(terms))
        self._bar.update(self._task, completed=done, note=note)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Take note of an epoch; off a terminal print it where it is the first, the last or ten seconds have passed."""
        self._row = row
        epoch = int(row["epoch"])
        if self._live:
            return
        now = time.monotonic()
        if epoch in (1, self._epochs) or now - self._last_line > _PLAIN_SECONDS:
            self._last_line = now
            speed = f"{row['images_per_second']:,.0f} images/s"
            self.console.print(f"epoch {epoch}/{self._epochs}  {self._terms(row)}  {speed}", soft_wrap=True)

    def note(self, message: str) -> None:
        """Print a line."""
        self.console.print(message, highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _terms(self, terms: Mapping[str, float]) -> str:
        if "bits_per_pixel" in terms:
            return self._rate_terms(terms)
        shown = [f"distortion {terms['distortion']:.4g}"]
        if terms.get("rate"):
            shown.append(f"rate {terms['rate']:.4g} nats")
        if terms.get("penalty"):
            shown.append(f"penalty {terms['penalty']:.3g}")
        if "val_mse" in self._row:
            shown.append(f"val MSE {self._row['val_mse']:.4g}")
        return " · ".join(shown)

    def _rate_terms(self, terms: Mapping[str, float]) -> str:
        """Return rate and PSNR of a learned codec: means over all qualities, the PSNR that of the mean MSE."""
        shown = [f"{terms['bits_per_pixel']:.3f} bpp", f"{psnr_of_mse(terms['mse']):.2f} dB"]
        if "val_mse" in self._row:
            shown.append(f"val {self._row['val_bits_per_pixel']:.3f} bpp · {psnr_of_mse(self._row['val_mse']):.2f} dB")
            shown.append(f"val loss {self._row['val_loss']:.4f}")
        return " · ".join(shown)

    def _start(self, title: str, total: int, completed: int = 0) -> None:
        if self._bar:
            return
        self._bar = _TwoLines(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task(title, total=total, completed=completed, note="", terms="")
        self._bar.start()


class StudyProgress:
    """A bar for the study and one for each run at work on a terminal; elsewhere a line for each run that ends."""

    def __init__(self, console: Console, name: str, *, jobs: int, done: int):
        self.console = console
        self.total = jobs
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

    def show(self, event) -> None:
        """Show an ``Event`` of ``kerasae.studies.plan``."""
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
