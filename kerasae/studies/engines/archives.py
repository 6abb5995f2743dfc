"""A run's files as one tar archive, to be carried between machines, and the storage that keeps it.

``pack`` makes an archive of folders and ``unpack`` brings its files back in an order that a kill cannot spoil;
``upload`` and ``download`` pass it through a storage that every machine sees.
"""

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
    """Return the run of ``job`` as it is here, finished or not, for a worker to go on with; empty if there is none."""
    equal = equal_run(recipe_from(job.recipe, name=job.name, origin=job.name), job.backend, job.runs)
    folder = equal.folder if equal else Path(job.runs) / job.name
    return pack(folder.parent, [folder.name]) if (folder / "run.json").is_file() else b""


def unpack_run(archive: bytes, job: Job, sent: list[str]) -> None:
    """Unpack the run over what is there of it, and delete files that were ``sent`` and did not come back.

    Raises ``RunError`` where another process is at work in the folder.
    """
    runs = Path(job.runs)
    with contextlib.ExitStack() as locks:
        for name in {name.split("/")[0] for name in archive_names(archive)}:
            if (runs / name).is_dir():
                locks.enter_context(locked(runs / name))
        for name in set(sent) - set(unpack(archive, runs)):
            (runs / name).unlink(missing_ok=True)


# Replaced last: what a reader trusts, and a checkpoint after the record of the run it belongs to.
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


def archive_names(archive: bytes) -> list[str]:
    """Return the names of the files of an archive; an empty one has none."""
    if not archive:
        return []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def unpack(archive: bytes, root: Path) -> list[str]:
    """Unpack the files of ``archive`` under ``root``, over those of the same name, and return their names.

    A kill in between leaves nothing that a later command would take for more than it is: a new folder appears as a
    whole, and in one that exists the records are replaced after the files they describe.

    Raises ``StudyError`` for anything that ``pack`` does not write: what is no file, or would leave ``root``.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=root) as partial:
        whole = Path(partial)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                _extract(tar, member, whole)
        names = [path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()]
        for folder in [path for path in whole.iterdir() if path.is_dir() and not (root / path.name).exists()]:
            folder.rename(root / folder.name)
        for name in sorted(names, key=_replaced_in):
            if (whole / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(whole / name, root / name)
    return names


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # Python's own filter against such names is missing before 3.11.4, which Debian 12 does not have.
    place = folder / member.name
    if not member.isfile() or not place.resolve().is_relative_to(folder.resolve()):
        raise StudyError(
            f"an archive holds {member.name!r}, which is not a file inside of the results' folder; nothing of it was "
            "unpacked: ask who runs the machine that sent it"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as source, place.open("wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(place, (member.mtime, member.mtime))


def digest(archive: bytes) -> str:
    """Return the SHA-256 of an archive."""
    return hashlib.sha256(archive).hexdigest()


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


def upload(archive: bytes, storage: str, name: str) -> str:
    """Write ``archive`` to ``storage`` under ``name`` and return where."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(storage)
    system.makedirs(path, exist_ok=True)
    system.pipe_file(f"{path}/{name}", archive)
    return f"{storage.rstrip('/')}/{name}"


def download(place: str, sha256: str) -> bytes:
    """Return the archive at ``place``; raises ``StudyError`` where it cannot be read or has another digest."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(place)
    try:
        archive = system.cat_file(path)
    except OSError as error:
        raise StudyError(f"{place} cannot be read ({error}); the storage must be one that every machine sees") from None
    if digest(archive) != sha256:
        raise StudyError(f"{place} is not what the worker wrote; give each study that runs now a storage of its own")
    return archive


def _replaced_in(name: str) -> int:
    return next((place for place, last in enumerate(_LAST, start=1) if name.endswith(last)), 0)
