"""Something new of each kind is one class, and one line that registers it."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from kerasae import recipes
from kerasae.data import ImageSet, data_card, load_images
from kerasae.errors import RecipeError
from kerasae.recipes import load_recipe, to_toml


class StripesData(recipes.ImageSource):
    """Stripes of random widths, drawn anew."""

    source: Literal["stripes"] = "stripes"
    count: int = 20
    direction: Literal["across", "down"] = "across"

    loader: ClassVar[str] = f"{__name__}:load_stripes"
    asked_for: ClassVar[str] = "--data stripes:DIRECTION"
    about: ClassVar[str] = "stripes"
    location: ClassVar[str] = "direction"


def load_stripes(data, *, progress=None):
    size, random = data.image_size, np.random.default_rng(data.split_seed)
    rows = np.sin(random.uniform(0.1, 1, (data.count, 1)) * np.arange(size)) * 0.5 + 0.5
    images = np.broadcast_to(rows[:, :, None, None], (data.count, size, size, data.channels))
    return ImageSet.from_array(images if data.direction == "across" else images.swapaxes(1, 2), label="stripes")


@pytest.fixture
def stripes(monkeypatch):
    monkeypatch.setitem(recipes.SOURCES, "stripes", StripesData)


def test_an_image_source(stripes, kerasae, tmp_path):
    changes = ["data.image_size=16", "training.batch_size=8"]
    recipe = load_recipe("ae_baseline", data="stripes:down", set=changes)
    (tmp_path / "mine.toml").write_text(to_toml(recipe))
    assert load_recipe(tmp_path / "mine.toml").data == recipe.data == StripesData(direction="down", image_size=16)
    images = load_images(recipe.data)
    assert images.images.shape == (20, 16, 16, 1)
    assert (images.images[:, :1] == images.images).all()
    with pytest.raises(RecipeError, match=r"data.cuont is not a key kerasae knows, did you mean 'count'"):
        load_recipe("ae_baseline", data="stripes:down", set=["data.cuont=3"])
    with pytest.raises(RecipeError, match=r"it is one of photos, .*, stripes:DIRECTION"):
        load_recipe("ae_baseline", data="stripes")
    assert "stripes" in kerasae("data")[1]
    assert data_card("stripes") == "# stripes: stripes\n\nStripes of random widths, drawn anew.\n"
    sets = [part for change in changes for part in ("--set", change)]
    code, _, error = kerasae("train", "ae_baseline", "--data", "stripes:down", "--epochs", "1", *sets)
    assert code == 0, error
