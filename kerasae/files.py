"""Files that are either whole or not there, those of a folder tree, and where the shipped ones are."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _file_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


# mkstemp makes files for the owner alone; results are for everyone the folder is for. Asked for once: the question
# cannot be put without changing the answer for other threads.
FILE_MODE = _file_mode()


@contextmanager
def partial_file(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the path of a new, empty file in ``folder``; it is removed at the end, unless it was renamed by then."""
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=suffix, dir=folder)
    os.close(handle)
    os.chmod(name, FILE_MODE)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` with the same ending; on leaving without an error it becomes ``path``.

    A process that is killed in between leaves ``path`` as it was, at worst with a stray file whose name begins with
    ``.partial-``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(path.parent, path.suffix) as partial:
        yield partial
        os.replace(partial, path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, atomically."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, atomically; a NaN is refused rather than written as something no other reader knows."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def files_in(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return the files in ``folder`` and its subfolders that end in one of ``suffixes``, by their path inside it.

    In the order of these paths, which have ``/`` between their parts. What begins with a dot is passed over, since
    tools put it there, such as the ``._x.png`` of a Mac, which is no image; links to folders are not followed.
    """
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes:
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


_PACKAGE = Path(__file__).parent


def shipped_folder(name: str) -> Path:
    """Return the folder of shipped files called ``name`` (``recipes`` or ``data_cards``).

    A wheel carries them in ``kerasae/_shipped``; a checkout has them at its top level.
    """
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
