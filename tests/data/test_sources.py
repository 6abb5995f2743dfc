"""The sources together: light to import, a card each; a folder of image files, and all that can be wrong."""

import subprocess
import sys
from importlib import import_module

import pytest

from kerasae.data import data_card, load_images
from kerasae.errors import DataError
from kerasae.recipes import SOURCES, recipe_from


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
    with pytest.raises(DataError, match="no data card 'cats'; there are: array, ethics, ffhq, folder, photos, tfds"):
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
