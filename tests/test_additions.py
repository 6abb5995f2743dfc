"""Something new of each kind is one class, and one line that registers it."""

import zlib
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest

from kerasae import recipes
from kerasae.codec import Codec, Frozen
from kerasae.codec.frozen import CODERS
from kerasae.codec.latent_coder import LatentCoder
from kerasae.data import ImageSet, data_card, load_images
from kerasae.errors import RecipeError
from kerasae.models import FactorizedPrior
from kerasae.recipes import load_recipe, to_toml
from tests.conftest import smooth_images


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


@dataclass(frozen=True, eq=False)
class DeflateCoder(LatentCoder):
    """Integers as zlib packs them."""

    steps: np.ndarray

    @classmethod
    def fit(cls, exported, latents, choose_dead_zone):
        return [cls(steps.astype("<f4")) for steps in exported["steps"]]

    def quantize(self, latents):
        return np.rint(latents / self.steps).astype("<i4")

    def dequantize(self, integers):
        return (integers * self.steps).astype(np.float32)

    def encode(self, integers):
        return [(zlib.compress(one.tobytes()), 0) for one in integers]

    def decode(self, payloads, rows, columns):
        shape = (rows, columns, len(self.steps))
        return np.stack([np.frombuffer(zlib.decompress(one), "<i4").reshape(shape) for one in payloads])

    def bits_and_escapes(self, integers):
        bits = np.zeros((len(integers), len(self.steps)))
        bits[:, 0] = [8 * len(payload) for payload, _ in self.encode(integers)]
        return bits, np.zeros_like(bits)

    def entropy(self, positions):
        return float("inf")

    def arrays(self):
        return {"steps": self.steps}

    @classmethod
    def from_arrays(cls, arrays, shared):
        return cls(arrays["steps"])


def test_a_latent_coder(monkeypatch, tmp_path):
    monkeypatch.setitem(CODERS, "deflate", DeflateCoder)
    model = FactorizedPrior(image_size=32, widths=(4, 6), latent_channels=5, levels=2)
    model.bottleneck.coder = "deflate"
    images = smooth_images(10)
    codec = Codec.from_model(model, images)
    data = codec.encode(images[0])
    codec.frozen.save(tmp_path / "codec.npz")
    again = Codec(model, Frozen.load(tmp_path / "codec.npz"))
    assert type(again.frozen.levels[0]) is DeflateCoder
    np.testing.assert_array_equal(again.decode(data), codec.decode(data))
    assert again.encode(images[0]) == data
