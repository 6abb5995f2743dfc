"""Files that are either whole or not there, those of a folder tree, and where the shipped ones are."""

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def partial_file(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the path of a new, empty file in ``folder``; it is removed at the end, unless it was renamed by then."""
    partial = folder / f".partial-{secrets.token_hex(8)}{suffix}"
    # Not by mkstemp, whose files are for the owner alone: results are for everyone the umask lets in.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


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
