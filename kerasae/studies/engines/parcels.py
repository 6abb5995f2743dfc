"""Results of a run as one file, to be carried between machines."""

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kerasae.errors import StudyError
from kerasae.recipes import recipe_from
from kerasae.studies.plan import Job
from kerasae.training.run import equal_run, locked


def pack_run(job: Job) -> bytes:
    """Return what there is of the run of ``job``, finished or not: a worker goes on from there; empty if nothing."""
    equal = equal_run(recipe_from(job.recipe, name=job.name, origin=job.name), job.backend, job.runs)
    folder = equal.folder if equal else Path(job.runs) / job.name
    return pack(folder.parent, [folder.name]) if (folder / "run.json").is_file() else b""


def unpack_run(parcel: bytes, job: Job, sent: list[str]) -> None:
    """Bring the run home over what is there of it; files that were ``sent`` and did not come back have served.

    Raises ``RunError`` where another process is at work in the folder.
    """
    runs = Path(job.runs)
    with contextlib.ExitStack() as locks:
        for name in {name.split("/")[0] for name in names_in(parcel)}:
            if (runs / name).is_dir():
                locks.enter_context(locked(runs / name))
        for name in set(sent) - set(unpack(parcel, runs)):
            (runs / name).unlink(missing_ok=True)


# What a reader trusts comes last, and a checkpoint after the record of the run it belongs to.
_LAST = ("run.json", "scores.json", "state/checkpoint.npz")


def pack(root: Path, folders: Iterable[str] | None = None) -> bytes:
    """Return a tar of the files under ``root``, or of those of its ``folders`` alone; locks and partial files stay."""
    places = [root] if folders is None else [root / name for name in folders]
    written = io.BytesIO()
    # Weights and PNG do not get smaller, so there is nothing to gain from compressing.
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path in sorted(path for place in places for path in place.rglob("*")):
            name = path.relative_to(root)
            if path.is_file() and path.name != ".lock" and not any(part.startswith(".partial-") for part in name.parts):
                tar.add(path, arcname=name.as_posix(), recursive=False)
    return written.getvalue()


def names_in(parcel: bytes) -> list[str]:
    """Return the names of the files of a parcel; an empty one has none."""
    if not parcel:
        return []
    with tarfile.open(fileobj=io.BytesIO(parcel)) as tar:
        return tar.getnames()


def unpack(parcel: bytes, root: Path) -> list[str]:
    """Bring the files of ``parcel`` under ``root``, over those of the same name, and return their names.

    Whoever is killed in between leaves nothing that a later command would take for more than it is: a folder that is
    not there yet appears as a whole, and into one that is there the records go after the files they speak of.

    Raises ``StudyError`` for anything in it that ``pack`` does not write: what is no file, or would leave ``root``.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=root) as partial:
        whole = Path(partial)
        with tarfile.open(fileobj=io.BytesIO(parcel)) as tar:
            for member in tar:
                _extract(tar, member, whole)
        names = [path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()]
        for folder in [path for path in whole.iterdir() if path.is_dir() and not (root / path.name).exists()]:
            folder.rename(root / folder.name)
        for name in sorted(names, key=_trust):
            if (whole / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(whole / name, root / name)
    return names


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # Python's own filter against such names is missing before 3.11.4, which Debian 12 does not have.
    place = folder / member.name
    if not member.isfile() or not place.resolve().is_relative_to(folder.resolve()):
        raise StudyError(
            f"a parcel holds {member.name!r}, which is not a file inside of the results' folder; nothing of it was "
            "unpacked: ask who runs the machine that sent it"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as source, place.open("wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(place, (member.mtime, member.mtime))


def digest(parcel: bytes) -> str:
    """Return the SHA-256 of a parcel."""
    return hashlib.sha256(parcel).hexdigest()


def check_storage(storage: str) -> str:
    """Return ``storage``, made absolute where it is a path; raises ``StudyError`` where fsspec cannot use it."""
    try:
        from fsspec.core import url_to_fs

        url_to_fs(storage)
    except ImportError as error:
        raise StudyError(f"the storage {storage!r} needs a package that is missing here: {error}") from None
    except ValueError as error:
        raise StudyError(
            f"the storage {storage!r} is no place that fsspec knows ({error}); give a path or a URL such as s3://bucket/x"
        ) from None
    return storage if "://" in storage else str(Path(storage).expanduser().absolute())


def put(parcel: bytes, storage: str, name: str) -> str:
    """Write ``parcel`` to ``storage`` under ``name`` and return where."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(storage)
    system.makedirs(path, exist_ok=True)
    system.pipe_file(f"{path}/{name}", parcel)
    return f"{storage.rstrip('/')}/{name}"


def fetch(place: str, sha256: str) -> bytes:
    """Return the parcel at ``place``; raises ``StudyError`` where it is not the one meant or cannot be read."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(place)
    try:
        parcel = system.cat_file(path)
    except OSError as error:
        raise StudyError(f"{place} cannot be read ({error}); the storage must be one that every machine sees") from None
    if digest(parcel) != sha256:
        raise StudyError(f"{place} is not what the worker wrote; give each study that runs now a storage of its own")
    return parcel


def _trust(name: str) -> int:
    return next((place for place, last in enumerate(_LAST, start=1) if name.endswith(last)), 0)
