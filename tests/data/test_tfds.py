"""TFDS: a small data set, built here in TFDS's own format, without a network."""

import builtins
import subprocess
import sys

import numpy as np
import pytest

from kerasae.data import load_images, write_image
from kerasae.data.tfds import find_prepared, tfds_values
from kerasae.errors import DataError
from kerasae.recipes import FolderData, TfdsData


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    (root / "more").mkdir()
    for place in range(8):
        image = np.random.default_rng(place).integers(
            0, 256, (16, 16 + 4 * (place == 5), 1 + 2 * (place % 2)), np.uint8
        )
        write_image(root / ("more" if place > 4 else ".") / f"{place}.png", image)
    return root


@pytest.fixture(scope="module")
def data_dir(pictures, tmp_path_factory):
    from kerasae.data.thumbnails_builder import prepare_thumbnails

    folder = tmp_path_factory.mktemp("tfds")
    assert prepare_thumbnails(pictures, data_dir=folder) == folder / "thumbnails" / "1.0.0"
    return folder


def data(data_dir, **settings):
    defaults = {"source": "tfds", "name": "thumbnails", "data_dir": str(data_dir), "image_size": 16}
    return TfdsData(**defaults | settings)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_images_are_those_of_the_files(data_dir, pictures, channels):
    images = load_images(data(data_dir, channels=channels))
    from_files = load_images(FolderData(source="folder", path=str(pictures), image_size=16, channels=channels))
    # TFDS shuffles once, while preparing.
    assert sorted(map(bytes, images.images)) == sorted(map(bytes, from_files.images))
    assert images.names == tuple(f"train/{place:06d}" for place in range(8))
    assert (images.label, images.card, images.groups) == ("tfds:thumbnails", "tfds", None)


def test_patches_are_those_of_the_files(data_dir, pictures):
    patches = {"fit": "patches", "image_size": 8}
    images = load_images(data(data_dir, **patches))
    from_files = load_images(FolderData(source="folder", path=str(pictures), **patches))
    assert sorted(map(bytes, images.images)) == sorted(map(bytes, from_files.images))
    assert len(images.names) == 8 * 4


def test_features_are_read_as_columns(data_dir, pictures):
    images = load_images(data(data_dir))
    files = tfds_values(data(data_dir), images.names, "file")
    assert sorted(files) == sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    by_file = dict(zip(files, images.images, strict=True))
    from_files = load_images(FolderData(source="folder", path=str(pictures), image_size=16))
    assert all((by_file[name] == image).all() for name, image in zip(from_files.names, from_files.images, strict=True))
    with pytest.raises(DataError, match=r"the feature 'label' does not exist; there are file, image"):
        tfds_values(data(data_dir), images.names, "label")
    with pytest.raises(DataError, match=r"the feature 'image' is no single value"):
        tfds_values(data(data_dir), images.names, "image")


def test_the_second_time_comes_from_the_cache(data_dir, monkeypatch):
    seen = []
    first = load_images(data(data_dir), progress=lambda *done: seen.append(done))
    assert seen == [(8, 8)]
    refuse_tfds(monkeypatch)
    again = load_images(data(data_dir), progress=lambda *done: seen.append(done))
    assert seen == [(8, 8)]
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images, first.images)


def test_limit_keeps_some_of_the_same_names(data_dir):
    few = load_images(data(data_dir, limit=4))
    everything = load_images(data(data_dir))
    assert len(few.names) == 4
    for name, image in zip(few.names, few.images, strict=True):
        np.testing.assert_array_equal(image, everything.images[everything.names.index(name)])


def test_other_features_are_refused(data_dir):
    with pytest.raises(DataError, match="the feature 'file' is no image; its images are: image"):
        load_images(data(data_dir, feature="file"))
    with pytest.raises(DataError, match="the feature 'picture' does not exist; its images are: image"):
        load_images(data(data_dir, feature="picture"))


def test_what_is_not_prepared_is_not_downloaded(tmp_path):
    with pytest.raises(DataError, match=r"tfds:lfw is not prepared in .*--set data\.download=true.*tfds build lfw"):
        load_images(data(tmp_path, name="lfw"))
    with pytest.raises(DataError, match=r"python -m kerasae\.data\.thumbnails_builder FOLDER"):
        load_images(data(tmp_path))


def test_a_failed_download_is_one_sentence(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def offline(*_, **__):
        raise ConnectionError("no route to host\nmany\nlines")

    monkeypatch.setattr(tfds, "builder", offline)
    message = r"could not be downloaded and prepared in .*: no route to host; check the name"
    with pytest.raises(DataError, match=message):
        load_images(data(tmp_path, name="lfw", download=True))


def refuse_tfds(monkeypatch):
    real = builtins.__import__

    def importing(name, *rest):
        if name == "tensorflow_datasets":
            raise ImportError("No module named 'importlib_resources'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_without_tfds_it_says_what_to_install(data_dir, monkeypatch):
    refuse_tfds(monkeypatch)
    message = r"cannot be loaded \(No module named 'importlib_resources'\); install it with: pip install"
    with pytest.raises(DataError, match=message):
        load_images(data(data_dir))


def test_damaged_files_are_named(pictures, tmp_path):
    from kerasae.data.thumbnails_builder import prepare_thumbnails

    prepared = prepare_thumbnails(pictures, data_dir=tmp_path)
    (record,) = prepared.glob("*.tfrecord*")
    content = bytearray(record.read_bytes())
    content[200] ^= 255
    record.write_bytes(content)
    with pytest.raises(DataError, match=r"are damaged \(DataLossError\); remove the folder and prepare"):
        load_images(data(tmp_path))


def test_prepared_versions_and_configurations(tmp_path):
    for name in ("one/1.0.0", "one/1.10.0", "one/1.9.0", "two/big/1.0.0", "two/small/1.0.0", "one/incomplete.X_2.0.0"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "dataset_info.json").touch()
    assert find_prepared("one", tmp_path) == tmp_path / "one" / "1.10.0"
    assert find_prepared("one:1.9.0", tmp_path) == tmp_path / "one" / "1.9.0"
    assert find_prepared("one:1.*.*", tmp_path) == tmp_path / "one" / "1.10.0"
    assert find_prepared("one:3.0.0", tmp_path) is None
    assert find_prepared("two/big", tmp_path) == tmp_path / "two" / "big" / "1.0.0"
    assert find_prepared("three", tmp_path) is None
    with pytest.raises(DataError, match="several configurations; name one of them: tfds:two/big, tfds:two/small"):
        find_prepared("two", tmp_path)
    with pytest.raises(DataError, match=r"'\.\./one' is no name of a TFDS data set"):
        find_prepared("../one", tmp_path)


def test_preparing_says_what_is_wrong(tmp_path):
    from kerasae.data.thumbnails_builder import prepare_thumbnails

    with pytest.raises(DataError, match="has no PNG file in it"):
        prepare_thumbnails(tmp_path, data_dir=tmp_path)
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        prepare_thumbnails(tmp_path / "nowhere", data_dir=tmp_path)


def test_the_command_says_what_is_wrong(tmp_path):
    command = [sys.executable, "-m", "kerasae.data.thumbnails_builder", str(tmp_path / "nowhere"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nowhere does not exist" in done.stderr
    assert "Traceback" not in done.stderr
