"""Where a process keeps the run it trains."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kerasae.training.distribution.one_device import OneDevice
from kerasae.training.lock import locked

# What training goes on from: who trained on which images, and the checkpoint.
_STATE = ("run.json", "state/checkpoint.npz")


@contextmanager
def own_folder(folder: Path, devices: OneDevice, *, force: bool) -> Iterator[Path]:
    """Yield ``folder``, locked, and with ``force`` emptied; to all but the first process a folder for the time being.

    That one begins with the first process's checkpoint: processes need not share a disk, and only one writes the run.
    Raises ``RunError`` where another training holds the folder.
    """
    with ExitStack() as held:
        own = devices.together(lambda: _hold(held, folder, devices.is_first, force))
        if devices.processes > 1:
            for name in _STATE:
                content = devices.first_says(lambda path=own / name: path.read_bytes() if path.is_file() else b"")
                if content and not devices.is_first:
                    (own / name).parent.mkdir(exist_ok=True)
                    (own / name).write_bytes(content)
        yield own


def _hold(held: ExitStack, folder: Path, is_first: bool, force: bool) -> Path:
    if not is_first:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="kerasae-"))) / folder.name
    folder.mkdir(parents=True, exist_ok=True)
    held.enter_context(locked(folder))
    if force:
        _empty(folder)
    return folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
