"""Something new of each kind is one class, and one line that registers it."""

import json
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import keras
import numpy as np
import pytest

from kerasae import recipes
from kerasae.codec import Codec, Frozen
from kerasae.codec.frozen import CODERS
from kerasae.codec.latent_coder import LatentCoder, Quantized
from kerasae.data import ImageSet, data_card, load_images
from kerasae.errors import RecipeError
from kerasae.metrics.registry import METRICS, Metric
from kerasae.models import Autoencoder, build_model
from kerasae.rate_distortion.classical import CLASSICAL, Classical
from kerasae.rate_distortion.compare import bd_rate_metrics
from kerasae.recipes import KINDS, ModelSettings, load_recipe, to_toml
from kerasae.reports import page
from kerasae.reports.sections import SECTIONS
from kerasae.reports.tables import Paragraph, Section
from kerasae.training import load_run
from tests.conftest import smooth_images
from tests.reports.made_up_report import single_run


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


def mean_absolute_error(x, y):
    return keras.ops.mean(keras.ops.abs(x - y), axis=(1, 2, 3))


@pytest.fixture
def mae(monkeypatch):
    about = Metric("mae", "MAE", "", 4, False, 0.0, 1.0, f"{__name__}:mean_absolute_error")
    monkeypatch.setitem(METRICS, "mae", about)


def test_a_metric(mae, image_folder, kerasae, tmp_path):
    """It is in scores, their files, differences between runs, what nothing done gives, curves and their BD-rates."""
    options = ["--data", f"folder:{image_folder}", "--epochs", 1, "--set", "data.image_size=16"]
    for recipe in ("ae_baseline", "ae_l2"):
        code, out, error = kerasae("train", recipe, *options, "--json")
        assert code == 0, error
    run = load_run("ae_l2", tmp_path / "runs")
    [scores] = run.image_scores(split="test", sigma=0.0)
    written = next(row for row in json.loads(out) if row["split"] == "test")
    assert written["mae"]["mean"] == pytest.approx(scores.metrics["mae"].mean(), rel=1e-5)
    assert np.sqrt(scores.metrics["mse"].mean()) > written["mae"]["mean"] > scores.metrics["mse"].mean()
    assert run.scores()[0].metrics.keys() == {"mse", "psnr", "ssim", "mae"}
    assert "mae" in (run.folder / "scores.csv").read_text().splitlines()[0]
    assert run.examples()[0].metrics["mae"] > 0
    found = json.loads(kerasae("runs", "compare", "ae_baseline", "ae_l2", "--json")[1])
    assert found["scores"][-1]["mae"]["low"] <= found["scores"][-1]["mae"]["mean"]
    swept = json.loads(kerasae("noise-sweep", "ae_l2", "--sigmas", "0,0.1", "--json")[1])
    assert all("mae" in row for row in swept)
    assert kerasae("report", "ae_l2")[0] == 0
    folder = f"folder:{image_folder}"
    code, out, error = kerasae("rate-distortion", "--data", folder, "--codecs", "jpeg,webp", "--json")
    assert code == 0, error
    curves = json.loads(out)
    assert all(0 < point["mae"] < 1 for point in curves["points"])
    assert {row["metric"] for row in curves["bd_rates"]} == set(bd_rate_metrics()) - {"ms_ssim"}
    assert "mae" in bd_rate_metrics()


class Deflated(Classical):
    """Intensities in as many steps as the quality says, deflated."""

    def encode(self, image, quality, effort="best"):
        steps = np.rint(image / 255.0 * quality).astype("uint8")
        return bytes([*image.shape[:2], int(quality)]) + zlib.compress(steps.tobytes(), 9)

    def decode(self, content, shape):
        steps = np.frombuffer(zlib.decompress(content[3:]), "uint8")
        return np.rint(steps.reshape(shape) * (255.0 / content[2])).astype("uint8")

    def version(self):
        return "zlib"

    def require(self):
        pass


def test_a_classical_codec(monkeypatch, image_folder, kerasae):
    qualities = (2, 4, 8, 16, 32, 64, 100)

    def settings(quality, effort, channels):
        return {"steps": quality}

    codec = Deflated("deflated", "", "", qualities, (1, 100), settings, lambda content: len(content) - 3)
    monkeypatch.setitem(CLASSICAL, "deflated", codec)
    folder = f"folder:{image_folder}"
    code, out, error = kerasae("rate-distortion", "--data", folder, "--codecs", "deflated,jpeg", "--json")
    assert code == 0, error
    points = [point for point in json.loads(out)["points"] if point["codec"] == "deflated"]
    assert [point["quality"] for point in points] == list(qualities)
    assert [point["psnr"] for point in points] == sorted(point["psnr"] for point in points)
    assert points[0]["settings"] == {"steps": 2, "version": "zlib"}
    assert "'bpg' is not a codec; there are jpeg, " in kerasae("rate-distortion", "--codecs", "bpg")[2]
    assert "deflated" in kerasae("rate-distortion", "--data", folder)[1]


@dataclass(frozen=True, eq=False)
class DeflateCoder(LatentCoder):
    """Integers as zlib packs them."""

    steps: np.ndarray

    @classmethod
    def fit(cls, exported, latents, price):
        return [cls(steps.astype("<f4")) for steps in exported["steps"]]

    def quantize(self, latents):
        return Quantized(np.rint(latents / self.steps).astype("<i4"))

    def dequantize(self, quantized):
        return (quantized.integers * self.steps).astype(np.float32)

    def encode(self, quantized):
        return [(zlib.compress(one.tobytes()), 0) for one in quantized.integers]

    def decode(self, payloads, rows, columns):
        shape = (rows, columns, len(self.steps))
        return Quantized(np.stack([np.frombuffer(zlib.decompress(one), "<i4").reshape(shape) for one in payloads]))

    def bits_and_escapes(self, quantized):
        bits = np.zeros((len(quantized.integers), len(self.steps)))
        bits[:, 0] = [8 * len(payload) for payload, _ in self.encode(quantized)]
        return bits, np.zeros_like(bits)

    def symbol_bits(self, integers, numbers):
        return np.abs(integers)

    def middles(self, integers, numbers):
        return integers.astype(np.float32)

    def entropy(self, positions):
        return float("inf")

    def arrays(self):
        return {"steps": self.steps}

    @classmethod
    def from_arrays(cls, arrays, shared):
        return cls(arrays["steps"])


def test_a_latent_coder(monkeypatch, tmp_path):
    monkeypatch.setitem(CODERS, "deflate", DeflateCoder)
    sizes = ["data.image_size=32", "model.widths=[4, 6]", "model.latent_channels=5", "objective.lambdas=[0.01, 0.04]"]
    model = build_model(load_recipe("factorized_prior", set=sizes))
    model.bottleneck.coder = "deflate"
    images = smooth_images(10)
    codec = Codec.from_model(model, images)
    data = codec.encode(images[0])
    codec.frozen.save(tmp_path / "codec.npz")
    again = Codec(model, Frozen.load(tmp_path / "codec.npz"))
    assert type(again.frozen.levels[0]) is DeflateCoder
    np.testing.assert_array_equal(again.decode(data), codec.decode(data))
    assert again.encode(images[0]) == data


class OneConvolution(ModelSettings):
    """A convolution down and one up."""

    kind: Literal["one_convolution"] = "one_convolution"
    width: int = 4

    @property
    def stride(self):
        return 4

    def build(self, image_shape, *, regularizer, objective, seed):
        images = keras.Input(image_shape)
        encoder = keras.Model(images, keras.layers.Conv2D(self.width, 4, strides=4)(images))
        latents = keras.Input(encoder.output_shape[1:])
        up = keras.layers.Conv2DTranspose(image_shape[-1], 4, strides=4, activation="sigmoid")
        return Autoencoder(encoder, keras.Model(latents, up(latents)))


def test_a_model_kind(monkeypatch, image_folder, kerasae, tmp_path):
    monkeypatch.setitem(KINDS, "one_convolution", f"{__name__}:OneConvolution")
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[model]\nkind = "one_convolution"\nwidth = 3\n', encoding="utf-8")
    options = ["--data", f"folder:{image_folder}", "--epochs", 1, "--set", "data.image_size=16"]
    code, _, error = kerasae("train", recipe, *options)
    assert code == 0, error
    assert "did you mean 'width'? allowed: kind, width" in kerasae("train", recipe, "--set", "model.widht=3")[2]
    assert kerasae("evaluate", "mine", "--sigma", "0.1")[0] == 0
    assert kerasae("compress", "mine", image_folder, "-o", tmp_path / "small")[0] == 0


def best_image(content):
    """Name the best image of each run."""
    return [Paragraph(f"{run.record.name} is best at {run.examples[0].name}") for run in content.runs if run.examples]


def test_a_section_of_the_page(monkeypatch):
    monkeypatch.setitem(SECTIONS, "made-up", Section("The best image", best_image, "Best"))
    content = single_run(hostile=False)
    document = page(content)
    assert '<section id="made-up"' in document
    assert '<li><a href="#made-up">Best</a></li>' in document
    run = content.runs[0]
    assert f"<p>{run.record.name} is best at" in document
    assert "made-up" not in page(replace(content, runs=(replace(run, examples=()),)))
