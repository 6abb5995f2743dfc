"""The comparison against Pillow and scikit-image called by hand, to the last digit."""

import io
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from kerasae.errors import CodecError
from kerasae.metrics import psnr_of_mse, ssimulacra2
from kerasae.models import Autoencoder, build_model
from kerasae.rate_distortion.classical import CLASSICAL, classical_codec, installed_codecs
from kerasae.rate_distortion.compare import (
    ClassicalContender,
    bd_rate_metrics,
    matched,
    mean_quality,
    measure,
    noisy,
    squared_error,
)
from kerasae.rate_distortion.experiment import macs_per_pixel, model_cost, native_images
from kerasae.recipes import recipe_from
from tests.conftest import smooth_images


@pytest.fixture
def photographs(tmp_path):
    """Three RGB photographs of different sizes, as PNG files."""
    from skimage import data

    for name, width in (("chelsea", 200), ("coffee", 177), ("astronaut", 301)):
        Image.fromarray(getattr(data, name)()[:180, :width]).save(tmp_path / f"{name}.png")
    return tmp_path


def by_hand(folder, kind, quality, **settings):
    """Bits per pixel, mean PSNR, PSNR of the mean MSE and mean SSIM, by Pillow and scikit-image alone."""
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

    bits = pixels = 0
    psnr, ssim, mse = [], [], []
    for path in sorted(folder.glob("*.png")):
        original = Image.open(path)
        buffer = io.BytesIO()
        original.save(buffer, kind, quality=quality, **settings)
        decoded = np.asarray(Image.open(buffer).convert("RGB"))
        bits += 8 * len(buffer.getvalue())
        pixels += original.width * original.height
        before = np.asarray(original)
        psnr.append(peak_signal_noise_ratio(before, decoded, data_range=255))
        mse.append(mean_squared_error(before, decoded))
        ssim.append(structural_similarity(before, decoded, channel_axis=-1, data_range=255))
    return bits / pixels, np.mean(psnr), 10 * np.log10(255**2 / np.mean(mse)), np.mean(ssim)


@pytest.mark.parametrize("name", ["webp", "jpeg"])
def test_the_command_gives_what_pillow_and_scikit_image_give(kerasae, photographs, name):
    code, out, err = kerasae(
        "rate-distortion", "--data", f"folder:{photographs}", "--codecs", name, "--qualities", "25,50,75", "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    for row, quality in zip(found["points"], (25, 50, 75), strict=True):
        rate, psnr, psnr_of_mean_mse, ssim = by_hand(photographs, name, quality)
        assert row["codec"] == name
        assert row["quality"] == quality
        assert row["images"] == 3
        assert row["bits_per_pixel"] == pytest.approx(rate, rel=1e-12)
        assert row["psnr"] == pytest.approx(psnr, rel=1e-12)
        assert row["psnr_of_mean_mse"] == pytest.approx(psnr_of_mean_mse, rel=1e-12)
        assert row["ssim"] == pytest.approx(ssim, rel=1e-12)


def test_best_effort_is_what_the_settings_say(photographs):
    _, images = native_images(photographs)
    point = measure(ClassicalContender(classical_codec("webp"), (50,), "best"), images, 50)
    assert point.settings["method"] == 6
    rate, psnr, *_ = by_hand(photographs, "webp", 50, method=6)
    assert (point.bits_per_pixel, point.metrics["psnr"]) == pytest.approx((rate, psnr), rel=1e-12)


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_codec_keeps_shape_and_gets_better_with_quality(name, channels):
    try:
        codec = classical_codec(name)
    except CodecError as error:
        pytest.skip(str(error))
    from skimage import data

    image = data.chelsea()[100:180, 100:200]
    image = image[..., :1] if channels == 1 else image
    contender = ClassicalContender(codec, codec.qualities, "best")
    assert len(codec.qualities) >= 10
    low, high = (measure(contender, [image], codec.qualities[place]) for place in (1, -1))
    assert low.bits_per_pixel < high.bits_per_pixel
    assert low.metrics["psnr"] + 5 < high.metrics["psnr"]
    assert low.metrics["ssim"] < high.metrics["ssim"] <= 1


def test_ssimulacra2_falls_with_noise_and_counts_gray_as_colour():
    pytest.importorskip("ssimulacra2")
    image = smooth_images(1, size=64)[0][np.newaxis] / np.float32(255)
    noise = np.random.default_rng(0).normal(size=image.shape).astype("float32")
    scores = [ssimulacra2(image, np.clip(image + sigma * noise, 0, 1))[0] for sigma in (0.0, 0.02, 0.1)]
    assert scores[0] == pytest.approx(100)
    assert scores[0] > scores[1] + 5 > scores[2] + 10
    colour, noisy_colour = (np.repeat(one, 3, axis=-1) for one in (image, np.clip(image + 0.02 * noise, 0, 1)))
    assert ssimulacra2(colour, noisy_colour)[0] == pytest.approx(scores[1])


def test_metrics_have_a_least_size():
    sizes = {6: {"ssim", "ms_ssim", "ssimulacra2"}, 7: {"ms_ssim", "ssimulacra2"}, 8: {"ms_ssim"}, 176: set()}
    for side, missing in sizes.items():
        image = np.zeros((side, 200, 1), np.uint8)
        found = mean_quality([image], [image])
        assert list(found) == bd_rate_metrics()
        assert {name for name, value in found.items() if value is None} == missing & set(found)
        best = {name: 1 if name in ("ssim", "ms_ssim") else 100 for name in found}
        assert all(value == pytest.approx(best[name]) for name, value in found.items() if value)


def test_noise_belongs_to_the_name_and_is_compared_with_the_clean_image():
    image = np.full((64, 64, 1), 128, np.uint8)
    first, again, other = noisy([image] * 3, ["a", "a", "b"], 0.1, 0)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9
    assert (first.astype(float) / 255).std() == pytest.approx(0.1, rel=0.05)
    point = measure(ClassicalContender(classical_codec("jpeg"), (97,), "best"), [image], 97, inputs=[first], sigma=0.1)
    assert point.metrics["psnr"] == pytest.approx(20, abs=1.0)
    assert point.sigma == 0.1


def test_matched_files_keep_to_the_budget():
    from skimage import data

    image = data.camera()[200:328, 200:328, None]
    contenders = [
        ClassicalContender(classical_codec(name), CLASSICAL[name].qualities, "best") for name in ("jpeg", "webp")
    ]
    for one in matched(contenders, image, 1500):
        assert 1200 < one.bytes <= 1500
        assert one.image.shape == image.shape
    smallest = matched(contenders[:1], image, 3)[0]
    assert smallest.bytes > 3


def test_codecs_that_are_not_there_are_refused(kerasae, photographs):
    assert {"jpeg", "webp"} <= set(installed_codecs())
    for arguments, message in [
        (("--codecs", "bpg"), "'bpg' is not a codec; there are jpeg"),
        (("--codecs", "jpeg", "--qualities", "a"), "--qualities 'a' is not a list of whole numbers"),
        (("--codecs", "jpeg", "--qualities", "0"), "qualities lie above 0"),
        (("--codecs", "none"), "there is nothing to compare"),
        (("--codecs", "jpeg", "--data", "folder:/nowhere"), "the image folder /nowhere does not exist"),
        (("--codecs", "jpeg", "--sigma", "3"), "--sigma 3 is out of range"),
        (("--effort", "much"), "--effort 'much' is neither best nor default"),
    ]:
        code, _, err = kerasae("rate-distortion", *arguments)
        assert code == 2
        assert message in err


def test_gray_avif_stores_no_colours():
    gray, colour = np.zeros((40, 40, 1), np.uint8), np.zeros((40, 40, 3), np.uint8)
    for name, expected in (("avif", "4:2:0"), ("avif-444", "4:4:4")):
        codec = classical_codec(name)
        assert codec.settings(50, "best", 1)["subsampling"] == "4:0:0"
        assert codec.settings(50, "best", 3)["subsampling"] == expected
        assert codec.decode(codec.encode(gray, 50), gray.shape).shape == gray.shape
        assert codec.decode(codec.encode(colour, 50), colour.shape).shape == colour.shape


@pytest.mark.parametrize("name", CLASSICAL)
def test_what_codes_the_picture_is_a_part_of_the_file_and_the_picture_comes_back(name):
    try:
        codec = classical_codec(name)
    except CodecError as error:
        pytest.skip(str(error))
    from skimage import data

    colour = data.astronaut()[60:161, 180:291]  # 101×111
    fine, coarse = codec.qualities[-3], codec.qualities[2]
    for image in (colour, np.ascontiguousarray(colour[..., :1])):
        files = [codec.encode(image, quality) for quality in (fine, coarse)]
        pictures = [codec.picture_bytes(file) for file in files]
        # What contains it does not grow with the picture, but for tables of its own.
        around = [len(file) - inside for file, inside in zip(files, pictures, strict=True)]
        assert min(around) >= 2
        assert max(around) < 600
        assert abs(around[0] - around[1]) <= 16
        assert pictures[0] > 1.5 * pictures[1] > 0
        decoded = codec.decode(files[0], image.shape)
        assert psnr_of_mse(squared_error(image, decoded)) > 31


# === What models cost ===


def model_of(kind, size, **sizes):
    plain = {"model": {"kind": kind} | sizes, "data": {"image_size": size}}
    return build_model(recipe_from(plain, name="r", origin="test"))


def test_the_reference_autoencoder_has_36_macs_per_pixel_each_way():
    model = model_of("conv_autoencoder", 128)
    # 32·32 positions · 9 taps · 4·8 and 64·64 positions · 9 taps · 8·1 products, over 128·128 pixels.
    assert macs_per_pixel(model.decoder, 128**2) == 36
    # 64·64 · 9 · 8 and 32·32 · 9 · 8 · 4.
    assert macs_per_pixel(model.encoder, 128**2) == 36


def test_macs_of_dense_layers_and_of_models_inside_models():
    model = model_of("mlp_vae", 16, hidden=[12], latent_size=5)
    assert macs_per_pixel(model.decoder, 256) == pytest.approx((5 * 12 + 12 * 256) / 256)
    outer = keras.Sequential([keras.Input((5,)), model.decoder])
    assert macs_per_pixel(outer, 256) == macs_per_pixel(model.decoder, 256)


def test_macs_of_networks_for_any_size_and_of_those_that_do_not_tell():
    class Opaque(keras.Model):
        def __init__(self, filters):
            super().__init__()
            self.inner = keras.layers.Conv2D(filters, 3, 2, padding="same")

        def call(self, images):
            return self.inner(images)

    images, latents = keras.Input((None, None, 1)), keras.Input((None, None, 2))
    encoder = keras.Model(images, keras.layers.Conv2D(2, 3, 2, padding="same")(images))
    decoder = keras.Model(latents, keras.layers.Conv2DTranspose(1, 3, 2, padding="same")(latents))
    for first, expected in ((encoder, 9 * 2 / 4), (Opaque(2), None)):
        model = Autoencoder(first, decoder, image_shape=(None, None, 1))
        codec = SimpleNamespace(model=model, frozen=SimpleNamespace(size_bytes=lambda: 100))
        cost = model_cost(SimpleNamespace(name="mine", codec=codec))
        assert cost["model_bytes"] == 100 + 4 * model.count_params()
        assert cost["encoder_macs_per_pixel"] == expected
        assert cost["decoder_macs_per_pixel"] == 9 * 2 / 4
