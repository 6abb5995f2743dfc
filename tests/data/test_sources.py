"""The sources together: light to import, a card each; folders and FFHQ in the layouts in which people have them."""

import re
from importlib import import_module

import numpy as np
import pytest

from kerasae.data import data_card, load_images, sources, split_indices, write_image
from kerasae.data.sources import read_groups
from kerasae.errors import DataError
from kerasae.recipes import SOURCES, FfhqData, FolderData, recipe_from


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_a_loader_a_line_of_help_and_a_card(source):
    kind = SOURCES[source]
    module, _, loader = kind.loader.partition(":")
    assert callable(getattr(import_module(module), loader))
    assert kind.model_fields["source"].default == source
    assert kind.asked_for
    assert kind.about
    assert data_card(source).startswith(f"# {source}: ")


def test_images_that_were_given_in_python_must_be_given_again():
    recipe = recipe_from({"model": {"kind": "conv_autoencoder"}, "data": {"source": "array"}}, name="a", origin="here")
    with pytest.raises(DataError, match="given in Python and are not kept; give them again with images="):
        load_images(recipe.data)


def test_something_else_is_no_source():
    with pytest.raises(DataError, match="str is no source of images; known are PhotosData, FolderData, "):
        load_images("photos")


def test_an_unknown_card_lists_those_there_are():
    with pytest.raises(
        DataError, match="no data card 'cats'; there are: array, ethics, ffhq, folder, labels, photos, tfds"
    ):
        data_card("cats")


@pytest.mark.parametrize("card", ["ffhq", "folder", "ethics"])
def test_cards_of_faces_speak_of_their_risks(card):
    text = data_card(card)
    for word in ("scars", "tattoos", "group"):
        assert word in text


# === Folders ===


def data(path, **settings):
    return FolderData(path=str(path), **{"image_size": 16} | settings)


def write_labels(folder, text, name="labels.csv"):
    (folder / name).write_bytes(text.encode("utf-8"))


ALL_ROWS = "file,person\na.png,p1\nb.png,p1\nc.png,p2\nd.PNG,p2\nmore/e.png,p3\nmore\\f.png,p3\nelsewhere.png,p9\n"


def test_files_are_sorted_by_path(image_folder, random_image):
    images = load_images(data(image_folder))
    assert images.names == ("a.png", "b.png", "c.png", "d.PNG", "more/e.png", "more/f.png")
    assert (images.label, images.card, images.groups) == ("folder:pictures", "folder", None)
    np.testing.assert_array_equal(images.images[1], random_image(16, 16, seed=0))
    np.testing.assert_array_equal(images.images[5], random_image(16, 16, seed=5))


def test_hidden_and_other_files_are_passed_over(image_folder):
    (image_folder / "._a.png").write_text("resource fork")
    (image_folder / ".thumbs").mkdir()
    (image_folder / ".thumbs" / "x.png").write_text("no image")
    (image_folder / "notes.txt").write_text("hello")
    assert len(load_images(data(image_folder)).names) == 6


def test_formats_shapes_and_channels_are_mixed_freely(image_folder, random_image):
    write_image(image_folder / "g.jpeg", random_image(40, 20, 3))
    write_image(image_folder / "h.webp", random_image(8, 9, 3))
    for channels in (1, 3):
        images = load_images(data(image_folder, image_size=12, channels=channels))
        assert images.images.shape == (8, 12, 12, channels)


def test_progress_reaches_the_end(image_folder):
    seen = []
    load_images(data(image_folder), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)


def test_groups_come_from_the_labels(image_folder):
    write_labels(image_folder, "\ufeff" + ALL_ROWS)
    images = load_images(data(image_folder, group_column="person"))
    assert images.groups == ("p1", "p1", "p2", "p2", "p3", "p3")
    assert images.fingerprint != load_images(data(image_folder)).fingerprint
    assert sorted(map(len, split_indices(images, data(image_folder)).values())) == [2, 2, 2]


def test_limit_keeps_that_many(image_folder):
    assert len(load_images(data(image_folder, limit=4)).names) == 4


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("file,persn\na.png,1\n", r"no column 'person' among the 2 of its first line; did you mean 'persn'\?"),
        ("name,person\na.png,1\n", "no column 'file' among the 2 of its first line$"),
        ("", "no column 'file' among the 0 of its first line$"),
        ("file,person\na.png,p1\n", r"no row for 5 images, first 'b\.png'"),
        (ALL_ROWS.replace("c.png,p2", "c.png,"), r"empty 'person' for 1 image, first 'c\.png'"),
        (ALL_ROWS + "a.png,p2\n", r"gives one file two values of 'person'; keep one of line \d+$"),
    ],
)
def test_labels_that_do_not_serve(image_folder, labels, message):
    write_labels(image_folder, labels)
    with pytest.raises(DataError, match=message):
        load_images(data(image_folder, group_column="person"))


@pytest.mark.parametrize(
    "content", [b"root:x:0:secret,words\n", b"file,person\nsecret,words\nsecret,others\n", b"secret\xff"]
)
def test_what_a_file_of_labels_holds_is_never_printed(image_folder, content):
    (image_folder / "labels.csv").write_bytes(content)
    with pytest.raises(DataError) as refused:
        load_images(data(image_folder, group_column="person"))
    assert "labels.csv" in str(refused.value)
    assert not {"secret", "words", "others"} & {*re.findall(r"\w+", str(refused.value))}


def test_missing_and_unreadable_labels(image_folder):
    with pytest.raises(DataError, match=r"labels\.csv does not exist; data\.group_column = 'person' needs a CSV file"):
        load_images(data(image_folder, group_column="person"))
    (image_folder / "labels.csv").write_bytes(b"file,person\n\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read as a CSV file in UTF-8"):
        load_images(data(image_folder, group_column="person"))


FAIRFACE = "file,age,gender,race,service_test\n"
CELEBA = "2\n5_o_Clock_Shadow Young\n000001.jpg -1 1\n000002.jpg  1 -1\n"


@pytest.mark.parametrize(
    ("files", "asked", "column", "names", "expected"),
    [
        (
            {
                "fairface_label_train.csv": FAIRFACE + "train/1.jpg,50-59,Male,East Asian,True\n",
                "fairface_label_val.csv": FAIRFACE + "val/1.jpg,3-9,Female,Indian,False\n",
            },
            "fairface_label_*.csv",
            "age",
            ("train/1.jpg", "val/1.jpg"),
            ("50-59", "3-9"),
        ),
        (
            {"ffhq_aging_labels.csv": "image_number,age_group,gender\n0,0-2,male\n12,20-29,female\n"},
            "ffhq_aging_labels.csv",
            "age_group",
            ("00000.png", "00000/00012.png", "00012"),
            ("0-2", "20-29", "20-29"),
        ),
        (
            {"list_attr_celeba.txt": CELEBA},
            "list_attr_celeba.txt",
            "Young",
            ("img/000001.jpg", "000002.jpg"),
            ("1", "-1"),
        ),
        (
            {"identity_CelebA.txt": "000001.jpg 2880\n000002.jpg 2937\n"},
            "identity_CelebA.txt",
            "identity",
            ("000002.jpg", "000001.jpg"),
            ("2937", "2880"),
        ),
    ],
)
def test_labels_of_known_sets_are_read_in_their_own_layout(tmp_path, files, asked, column, names, expected):
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_groups(tmp_path / asked, column, names) == expected


def test_an_unknown_column_of_a_known_set_is_said(tmp_path):
    (tmp_path / "list_attr_celeba.txt").write_text(CELEBA, encoding="utf-8")
    with pytest.raises(DataError, match=r"has no column 'Yung' among the 3 of its first line; did you mean 'Young'\?"):
        read_groups(tmp_path / "list_attr_celeba.txt", "Yung", ["000001.jpg"])
    with pytest.raises(DataError, match=r"no file is called .*labels_\*\.csv; name the file that says who or what"):
        read_groups(tmp_path / "labels_*.csv", "age", ["000001.jpg"])


def test_folders_that_do_not_serve(tmp_path, random_image):
    with pytest.raises(DataError, match=r"the image folder .*nowhere does not exist"):
        load_images(data(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no images in .*; looked for \.png, \.jpg, \.jpeg, \.webp"):
        load_images(data(tmp_path))
    write_image(tmp_path / "a.png", random_image(16, 16))
    with pytest.raises(DataError, match="is a file, not a folder"):
        load_images(data(tmp_path / "a.png"))
    # One image can be scored, though not split.
    assert len(load_images(data(tmp_path)).names) == 1
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="has no usable image and 1 broken; at least one is needed"):
        load_images(data(tmp_path, on_error="skip"))


def test_a_broken_file_stops_or_is_counted(image_folder):
    write_labels(image_folder, ALL_ROWS)
    (image_folder / "b.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"b\.png is not a readable image.*--set data\.on_error=skip"):
        load_images(data(image_folder))
    images = load_images(data(image_folder, on_error="skip", group_column="person"))
    assert images.names == ("a.png", "c.png", "d.PNG", "more/e.png", "more/f.png")
    assert images.groups == ("p1", "p2", "p2", "p3", "p3")
    assert len(images.images) == 5
    assert len(images.skipped) == 1
    assert images.skipped[0].startswith("b.png: ")


def test_broken_files_may_leave_too_few_to_split(image_folder):
    for name in ("a.png", "b.png", "c.png", "d.PNG"):
        (image_folder / name).write_bytes(b"broken")
    loaded = load_images(data(image_folder, on_error="skip"))
    assert (len(loaded.names), len(loaded.skipped)) == (2, 4)
    with pytest.raises(DataError, match=r"has 2 images; .* at least 3"):
        split_indices(loaded, data(image_folder))


def test_a_large_folder_is_cached_and_the_same(image_folder, own_cache, monkeypatch):
    plain = load_images(data(image_folder))
    assert list(own_cache.iterdir()) == []
    monkeypatch.setattr(sources, "_CACHE_FROM", 6)
    for _ in range(2):
        mapped = load_images(data(image_folder))
        assert isinstance(mapped.images, np.memmap)
        assert mapped.fingerprint == plain.fingerprint
        np.testing.assert_array_equal(mapped.images, plain.images)


def test_real_faces_split_by_person(faces_folder):
    settings = data(faces_folder, image_size=128, group_column="identity", limit=400)
    faces = load_images(settings)
    assert faces.images.shape == (400, 128, 128, 1)
    parts = split_indices(faces, settings)
    people = [{faces.groups[index] for index in part} for part in parts.values()]
    assert sum(map(len, people)) == len(set(faces.groups))
    assert 60 <= len(parts["test"]) <= 100


# === FFHQ ===

NUMBERS = (0, 1, 999, 1000, 1001, 69999)


def ffhq_data(path, **settings):
    return FfhqData(path=str(path), **{"image_size": 16, "channels": 3} | settings)


def write_thumbnails(root, random_image, *, nested):
    for number in NUMBERS:
        folder = root / f"{number // 1000:02d}000" if nested else root
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number:05d}.png", random_image(16, 16, 3, seed=number))


def test_all_layouts_give_the_same_images(tmp_path, random_image):
    write_thumbnails(tmp_path / "flat", random_image, nested=False)
    write_thumbnails(tmp_path / "nested", random_image, nested=True)
    write_thumbnails(tmp_path / "root" / "thumbnails128x128", random_image, nested=True)
    (tmp_path / "root" / "LICENSE.txt").touch()
    sets = [load_images(ffhq_data(tmp_path / name)) for name in ("flat", "nested", "root", "root/thumbnails128x128")]
    assert {one.fingerprint for one in sets} == {sets[0].fingerprint}
    assert sets[0].names == ("00000", "00001", "00999", "01000", "01001", "69999")
    assert sets[0].label == "ffhq (6 of 70,000)"
    assert sets[0].card == "ffhq"
    np.testing.assert_array_equal(sets[1].images[2], random_image(16, 16, 3, seed=999))


def test_the_label_of_all_images_has_no_count(tmp_path, random_image, monkeypatch):
    monkeypatch.setattr(sources, "COUNT", 4)
    for number in range(4):
        write_image(tmp_path / f"{number:05d}.png", random_image(16, 16, 3, seed=number))
    assert load_images(ffhq_data(tmp_path)).label == "ffhq"


def test_the_second_start_decodes_nothing_and_a_new_file_is_noticed(tmp_path, random_image, monkeypatch):
    write_thumbnails(tmp_path, random_image, nested=True)
    first = load_images(ffhq_data(tmp_path))

    seen = []
    second = load_images(ffhq_data(tmp_path), progress=lambda *done: seen.append(done))
    assert seen == []
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.images, np.memmap)

    write_image(tmp_path / "00000" / "00002.png", random_image(16, 16, 3, seed=2))
    third = load_images(ffhq_data(tmp_path), progress=lambda *done: seen.append(done))
    assert seen == [(7, 7)]
    assert len(third.names) == 7


def test_files_that_ffhq_does_not_have_are_passed_over(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    for name in ("00000/01005.png", "70000.png", "0001.png", "00003.jpg", "backup/00004.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, random_image(16, 16, 3))
    assert len(load_images(ffhq_data(tmp_path)).names) == 6


def test_limit_decodes_only_what_it_keeps(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    seen = []
    few = load_images(ffhq_data(tmp_path, limit=4), progress=lambda *done: seen.append(done))
    assert len(few.names) == 4
    assert seen == [(4, 4)]
    assert sorted(map(len, split_indices(few, ffhq_data(tmp_path)).values())) == [1, 1, 2]


def test_broken_thumbnails_stop_or_are_counted(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    (tmp_path / "01000" / "01001.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"01001\.png is not a readable image.*data\.on_error=skip"):
        load_images(ffhq_data(tmp_path))
    for _ in range(2):
        images = load_images(ffhq_data(tmp_path, on_error="skip"))
        assert len(images.names) == 5
        assert images.skipped[0].startswith("01001: ")


def test_folders_that_are_not_ffhq(tmp_path, random_image):
    with pytest.raises(DataError, match=r"the FFHQ folder .*nowhere does not exist"):
        load_images(ffhq_data(tmp_path / "nowhere"))
    write_image(tmp_path / "holiday.png", random_image(16, 16, 3))
    with pytest.raises(DataError, match=r"does not look like FFHQ: .*--data folder:PATH"):
        load_images(ffhq_data(tmp_path))
    write_image(tmp_path / "00000.png", random_image(16, 16, 3))
    with pytest.raises(DataError, match="has 1 usable FFHQ images; at least 3"):
        load_images(ffhq_data(tmp_path))
