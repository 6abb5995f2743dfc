"""The comparison against Pillow and scikit-image called by hand, to the last digit."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from kerasae.errors import CodecError
from kerasae.rate_distortion.classical import CLASSICAL, classical_codec, installed_codecs
from kerasae.rate_distortion.compare import (
    ClassicalContender,
    matched,
    measure,
    multi_scale,
    native_images,
    noisy,
    structural,
)


@pytest.fixture
def photographs(tmp_path):
    """Three RGB photographs at native sizes, as PNG files."""
    from skimage import data

    for name in ("chelsea", "coffee", "astronaut"):
        Image.fromarray(getattr(data, name)()).save(tmp_path / f"{name}.png")
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
    assert (point.bits_per_pixel, point.psnr) == pytest.approx((rate, psnr), rel=1e-12)


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
    assert low.psnr + 5 < high.psnr
    assert low.ssim < high.ssim <= 1


def test_ssim_has_a_least_size_and_ms_ssim_too():
    image = np.zeros((6, 50, 1), np.uint8)
    assert structural(image, image) is None
    assert multi_scale(image, image) is None
    assert structural(np.zeros((7, 7, 1), np.uint8), np.zeros((7, 7, 1), np.uint8)) == 1


def test_noise_belongs_to_the_name_and_is_compared_with_the_clean_image():
    image = np.full((64, 64, 1), 128, np.uint8)
    first, again, other = noisy([image] * 3, ["a", "a", "b"], 0.1, 0)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9
    assert (first.astype(float) / 255).std() == pytest.approx(0.1, rel=0.05)
    point = measure(ClassicalContender(classical_codec("jpeg"), (97,), "best"), [image], 97, inputs=[first], sigma=0.1)
    assert point.psnr == pytest.approx(20, abs=1.0)
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
        assert codec.decode(codec.encode(gray, 50), 1).shape == gray.shape
        assert codec.decode(codec.encode(colour, 50), 3).shape == colour.shape
