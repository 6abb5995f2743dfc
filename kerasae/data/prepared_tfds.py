"""Where TensorFlow Datasets keeps a data set that has been prepared: found without loading TensorFlow."""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

from kerasae.errors import DataError

_NAME = re.compile(r"(?P<name>[a-z0-9_]+)(/(?P<config>[\w.+-]+))?(:(?P<version>[\d.*]+))?", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def tfds_folder(data_dir: str | None) -> Path:
    """Return ``data_dir``, or TFDS's own default: ``TFDS_DATA_DIR``, or ``~/tensorflow_datasets``."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets").expanduser()


def find_prepared(name: str, folder: Path) -> Path | None:
    """Return the folder of the newest prepared version of ``NAME[/CONFIG][:VERSION]``, None where there is none.

    Raises ``DataError`` for a name that is none of TFDS's, and where several configurations are there, none named.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise DataError(
            f"{name!r} is no name of a TFDS data set; names look like lfw, mnist:3.0.1 or name/config:1.0.0"
        )
    found: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for info in sorted(folder.glob(f"{parts['name']}/**/dataset_info.json")):
        *config, version = info.parent.relative_to(folder / parts["name"]).parts or ("",)
        wanted = parts["config"] is None or "/".join(config) == parts["config"]
        if wanted and _VERSION.fullmatch(version) and fnmatch(version, parts["version"] or "*"):
            number = tuple(int(digits) for digits in version.split("."))
            found.setdefault("/".join(config), []).append((number, info.parent))
    if len(found) > 1:
        configs = ", ".join(f"tfds:{parts['name']}/{config}" for config in sorted(found) if config)
        raise DataError(f"{name!r} is prepared in several configurations; name one of them: {configs}")
    return max(next(iter(found.values())))[1] if found else None
