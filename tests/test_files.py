"""What is written is whole, said in one sentence where it cannot be, and read from regular files alone."""

import json
import os

import pytest

from kerasae.data import ImageSet, load_images
from kerasae.data.cache import file_states
from kerasae.errors import CodecError, DataError, FileError, KerasaeError, RecipeError, RunError
from kerasae.files import readable, refusal, replacing, write_json, write_text
from kerasae.recipes import FolderData, recipe_from
from kerasae.training import runs_folder

ODD = os.fsdecode(b"a\xff\xc3\xa4")
no_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def test_a_name_that_is_no_utf_8_is_shown_written_and_read_back(tmp_path, images):
    assert readable(ODD) == r"a\xffä"
    assert readable("ä") == "ä"
    write_text(tmp_path / "a.txt", ODD)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == r"a\xffä"
    write_json(tmp_path / "a.json", [ODD])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [ODD]
    assert ImageSet.from_array(images[:1], names=[ODD]).names == (r"a\xffä",)
    plain = {"model": {"kind": "conv_autoencoder"}, "data": {"source": "folder", "path": ODD}}
    with pytest.raises(RecipeError, match=r"data\.path = 'a\\xffä' is no UTF-8.* rename"):
        recipe_from(plain, name="a", origin="here")
    with pytest.raises(RunError, match=r"a\\xffä is no UTF-8"):
        runs_folder(ODD)


def test_a_folder_of_such_names_is_loaded_by_group_too(image_folder):
    (image_folder / "003.png").rename(image_folder / os.fsdecode(b"003\xff.png"))
    labels = image_folder / "labels.csv"
    labels.write_text(labels.read_text().replace("003.png", r"003\xff.png"))
    found = load_images(FolderData(path=str(image_folder), image_size=32, group_column="person"))
    assert found.groups[found.names.index(r"003\xff.png")] == "p3"


def test_what_the_system_refuses_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"file/b\.txt cannot be written: .*; look at .*--runs") as refused:
        write_text(tmp_path / "file" / "b.txt", "")
    assert isinstance(refused.value, KerasaeError)
    full = "cannot be written: No space left on device; make room there"
    with pytest.raises(FileError, match=rf"c\.txt {full}"), replacing(tmp_path / "c.txt"):
        raise OSError(28, "No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    # In a text of its own, as HDF5 has it, and without a number.
    assert f"d {full}" in str(refusal(OSError("write failed (errno = 28, 'No space left on device', buf = 0x5)"), "d"))


def test_the_command_line_says_what_the_system_refuses(kerasae, tmp_path):
    (tmp_path / "runs").write_text("")
    code, _, err = kerasae("train", "ae_baseline", "--set", "data.limit=30", "--set", "data.image_size=32")
    assert code == 2
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "cannot be written: " in err


@no_pipes
def test_pipes_and_devices_are_refused_wherever_a_path_is_read(image_folder, tmp_path):
    from kerasae.codec.files import read_packed

    os.mkfifo(tmp_path / "pipe.kae")
    (tmp_path / "zero.kae").symlink_to("/dev/zero")
    for name in ("pipe.kae", "zero.kae"):
        with pytest.raises(CodecError, match="cannot be read: it is no regular file"):
            read_packed([tmp_path / name])
        with pytest.raises(DataError, match="cannot be read: it is no regular file"):
            file_states(tmp_path, [name])
        with pytest.raises(FileError, match="is no regular file"):
            write_text(tmp_path / name, "")
    (image_folder / "labels.csv").unlink()
    os.mkfifo(image_folder / "labels.csv")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read .* no regular file"):
        load_images(FolderData(path=str(image_folder), image_size=32, group_column="person"))


def test_a_file_of_the_same_size_and_time_in_the_place_of_another_is_noticed(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    state = os.stat(tmp_path / "a")
    before = file_states(tmp_path, ["a"])
    (tmp_path / "b").write_bytes(b"2")
    os.utime(tmp_path / "b", ns=(state.st_atime_ns, state.st_mtime_ns))
    (tmp_path / "b").replace(tmp_path / "a")
    assert file_states(tmp_path, ["a"]) != before
