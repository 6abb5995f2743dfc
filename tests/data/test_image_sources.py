"""The sources together: one loader per schema, light to import, a card each."""

import subprocess
import sys

import pytest

from kerasae.data import data_card, load_images
from kerasae.data.sources import LOADERS
from kerasae.errors import DataError
from kerasae.recipes.schema import SOURCES


def test_every_source_of_the_schema_has_a_loader_and_a_card():
    assert set(LOADERS) == set(SOURCES.values())
    for source in SOURCES:
        assert data_card(source).startswith("# ")


def test_something_else_is_no_source():
    with pytest.raises(DataError, match="str is no source of images; known are PhotosData, FolderData, "):
        load_images("photos")


def test_an_unknown_card_lists_those_there_are():
    with pytest.raises(DataError, match="no data card 'cats'; there are: ethics, ffhq, folder, photos, tfds"):
        data_card("cats")


@pytest.mark.parametrize("card", ["ffhq", "folder", "ethics"])
def test_cards_of_faces_speak_of_their_risks(card):
    text = data_card(card)
    for word in ("scars", "tattoos", "group"):
        assert word in text


def test_importing_loads_no_framework():
    heavy = ["keras", "tensorflow", "tensorflow_datasets", "jax", "torch", "skimage", "matplotlib"]
    code = f"import sys, kerasae.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
