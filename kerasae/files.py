"""Files that are either whole or not there, what may be read, names, and where the shipped files are."""

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasae.errors import FileError


def refusal(error: OSError, path: str | Path | None = None) -> FileError:
    """Return what the system said of ``path``, else of the path in ``error``, as one sentence with what to do."""
    place = path or error.filename or "a file"
    why = error.strerror or str(error)
    # HDF5 and NumPy put the system's words into longer texts of their own.
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in why
    cure = "make room there" if full else "look at the folder and its rights"
    found = FileError(
        f"{place} cannot be written: {'No space left on device' if full else why}; {cure}, or "
        "name another place: --runs or KERASAE_RUNS for runs, -o for other results, KERASAE_CACHE for decoded images"
    )
    found.errno, found.strerror = error.errno, error.strerror
    return found


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make one ``FileError`` about ``path`` of what the system refuses inside."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise refusal(error, path) from None


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
    ``.partial-``. Raises ``FileError`` where the system refuses any of it, such as on a full disk, and where ``path``
    is there and is no regular file: a device would be replaced by a file.
    """
    with writing(path):
        refuse_irregular(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(path.parent, path.suffix) as partial:
            yield partial
            os.replace(partial, path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, atomically; bytes of file names that are no UTF-8 as ``readable`` shows them."""
    with replacing(path) as partial:
        partial.write_text(readable(text), encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, atomically; a NaN is refused rather than written as something no other reader knows."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # Bytes of file names that are no UTF-8 as JSON's own escapes, which come back as they were.
    write_text(path, text.encode("utf-8", "backslashreplace").decode())


def readable(text: str) -> str:
    r"""Return ``text`` fit to be written and shown: bytes of file names that are no UTF-8 become ``\xff`` and such."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def refuse_irregular(path: Path) -> None:
    """Raise ``OSError`` where ``path`` leads to a pipe, a socket or a device: reading one may never end."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is no regular file but a pipe or a device", str(path))


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file, links followed. Raises ``OSError`` as ``Path.read_bytes`` does."""
    refuse_irregular(path)
    return path.read_bytes()


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
    """Return the folder of shipped files called ``name``: ``recipes``, ``data_cards`` or ``codecs``.

    A wheel carries them in ``kerasae/_shipped``; a checkout has them at its top level.
    """
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
