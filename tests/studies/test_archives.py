import io
import os
import tarfile

import pytest

from kerasae.errors import StudyError
from kerasae.studies.engines import archives
from kerasae.studies.engines.archives import archive_names, check_storage, digest, download, pack, unpack, upload


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_json", ".json").replace("_npz", ".npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(root):
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_folder_comes_back_as_it_was_without_locks_and_partial_files(tmp_path):
    write(tmp_path / "from", run__run_json="record", run__evaluations__a_npz="numbers", other__run_json="another")
    (tmp_path / "from" / "run" / ".lock").touch()
    (tmp_path / "from" / "run" / ".partial-x.json").write_text("half")
    archive = pack(tmp_path / "from", ["run"])
    assert sorted(archive_names(archive)) == ["run/evaluations/a.npz", "run/run.json"]
    assert sorted(unpack(archive, tmp_path / "to")) == sorted(archive_names(archive))
    assert read(tmp_path / "to") == {"run/run.json": "record", "run/evaluations/a.npz": "numbers"}


def test_what_is_there_already_stays_or_is_replaced(tmp_path):
    write(tmp_path / "from", run__run_json="new", run__b_npz="new")
    write(tmp_path / "to", run__run_json="old", run__a_npz="old", other__run_json="old")
    unpack(pack(tmp_path / "from"), tmp_path / "to")
    assert read(tmp_path / "to") == {
        "run/run.json": "new",
        "run/a.npz": "old",
        "run/b.npz": "new",
        "other/run.json": "old",
    }


@pytest.mark.parametrize("moves", range(6))
def test_killed_in_between_the_records_never_say_more_than_is_there(tmp_path, monkeypatch, moves):
    new = {"run__a_npz": "new", "run__z_npz": "new", "run__run_json": "new", "run__scores_json": "new"}
    write(tmp_path / "from", **new, run__state__checkpoint_npz="new")
    archive = pack(tmp_path / "from")
    write(tmp_path / "to", **dict.fromkeys(new, "old"), run__state__checkpoint_npz="old")
    replace, done = os.replace, []

    def killed(*paths):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(replace(*paths))

    monkeypatch.setattr(archives.os, "replace", killed)
    if moves < 5:
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, tmp_path / "to")
    else:
        unpack(archive, tmp_path / "to")
    found = read(tmp_path / "to")
    assert len(found) == 5
    assert list(found.values()).count("new") == moves
    order = ["run/a.npz", "run/z.npz", "run/run.json", "run/scores.json", "run/state/checkpoint.npz"]
    assert {found[name] for name in order[:moves]} <= {"new"}


def test_a_folder_that_is_not_there_yet_appears_as_a_whole(tmp_path, monkeypatch):
    write(tmp_path / "from", run__run_json="record", run__model_npz="weights")
    monkeypatch.setattr(archives.os, "replace", None)  # no file is moved by itself
    unpack(pack(tmp_path / "from"), tmp_path / "to")
    assert read(tmp_path / "to") == {"run/run.json": "record", "run/model.npz": "weights"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../outside", tarfile.REGTYPE), ("run/link", tarfile.SYMTYPE), ("run/../../outside", tarfile.REGTYPE)],
)
def test_an_archive_cannot_write_elsewhere(name, kind, tmp_path):
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("run/run.json"), io.BytesIO())
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, str(tmp_path)
        tar.addfile(member, io.BytesIO())
    with pytest.raises(StudyError, match=f"holds '{name}', which is not a file inside"):
        unpack(written.getvalue(), tmp_path / "to")
    assert not (tmp_path / "outside").exists()
    assert not read(tmp_path / "to")


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_storage_keeps_archives(tmp_path, scheme):
    pytest.importorskip("fsspec")
    storage = check_storage(f"{scheme}{tmp_path}/deep/storage")
    place = upload(b"archive", storage, "run.tar")
    assert (tmp_path / "deep" / "storage" / "run.tar").read_bytes() == b"archive"
    assert download(place, digest(b"archive")) == b"archive"
    with pytest.raises(StudyError, match="is not what the worker wrote"):
        download(place, digest(b"another"))
    with pytest.raises(StudyError, match="one that every machine sees"):
        download(f"{place}.gone", digest(b"archive"))


def test_a_relative_storage_is_meant_from_here(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.chdir(tmp_path)
    assert check_storage("shared") == str(tmp_path / "shared")


def test_a_storage_nobody_knows_is_refused():
    pytest.importorskip("fsspec")
    with pytest.raises(StudyError, match="'nowhere://x' is no place that fsspec knows"):
        check_storage("nowhere://x")
