"""Files and folders on a command line → image files, each with a name of its own."""

import os
from collections.abc import Sequence
from pathlib import Path

from kerasae.errors import CodecError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jp2")


def image_paths(inputs: Sequence[str | Path], *, suffixes: Sequence[str] = SUFFIXES) -> dict[str, Path]:
    """Return name → path: of a file its name without the ending, of a folder the path inside it.

    Folders give the files with one of ``suffixes``, hidden ones passed over, in order of their names.
    Raises ``CodecError`` where an input is missing, a folder holds none, or two files would have one name.
    """
    found: dict[str, Path] = {}
    for given in map(Path, inputs):
        if not given.exists():
            raise CodecError(f"{given} does not exist; name image files or folders of them")
        inside = _in_folder(given, suffixes) if given.is_dir() else {given.stem: given}
        if not inside:
            raise CodecError(f"{given} holds no files ending in {', '.join(suffixes)}")
        for name, path in inside.items():
            if name in found:
                raise CodecError(
                    f"{found[name]} and {path} would both be called {name!r}; take them in two calls, to two folders"
                )
            found[name] = path
    if not found:
        raise CodecError("there is nothing to do: name image files or folders of them")
    return found


def _in_folder(root: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            inner = path.relative_to(root).with_suffix("").as_posix()
            if inner in found:
                raise CodecError(f"{found[inner]} and {path} would both be called {inner!r}; rename one of them")
            found[inner] = path
    return found
