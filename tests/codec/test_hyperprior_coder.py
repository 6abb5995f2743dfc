"""Hyperprior codecs: latents and hyper-latents in one payload."""

import keras
import numpy as np
import pytest

from kerasae.codec import Frozen
from kerasae.codec.hyperprior_coder import BLOCK
from kerasae.codec.integer_network import blocks
from tests.codec.made_up import HYPERPRIORS, made_up_codec
from tests.conftest import smooth_images


@pytest.fixture(params=HYPERPRIORS)
def codec(request):
    return made_up_codec(request.param)


def test_integers_come_back_with_outliers_too(codec):
    latents = codec.network.encode(smooth_images(5, size=64))
    random = np.random.default_rng(1)
    for level in codec.frozen.levels[::5]:
        integers = level.quantize(latents)
        integers[0].flat[random.integers(0, integers[0].size, 6)] = random.integers(-(2**20), 2**20, 6)
        coded = level.encode(integers)
        assert coded[0][1] > 0
        payloads = [payload for payload, _ in coded]
        np.testing.assert_array_equal(level.decode(payloads, *integers.shape[1:3]), integers)
        level.check(payloads, integers)
        real = np.array([8 * len(payload) for payload in payloads])
        np.testing.assert_allclose(real, level.estimated_bits(integers), atol=40)


def test_the_decoder_is_given_the_latents_to_half_a_step(codec):
    latents = codec.network.encode(smooth_images(6))
    level = codec.frozen.levels[0]
    found = level.dequantize(level.quantize(latents)) / level.corrections
    wrong = np.abs(found - latents[..., : level.channels]) / level.steps
    # What the dead zone and the shift towards 0 may add.
    assert wrong.max() <= 0.5 + level.dead_zone + np.abs(level.shifts).max() + 1e-3


def test_the_integer_synthesis_costs_less_than_half_a_percent(codec):
    """Bits under the tables that integers choose, against those that the float network's scales choose."""
    from kerasae.codec.hyperprior_coder import scale_number
    from kerasae.codec.latent_coder import symbol_bits

    latents = codec.network.encode(smooth_images(40))
    level, bottleneck = codec.frozen.levels[4], codec.model.bottleneck
    integers = level.quantize(latents)
    side = blocks(integers[..., level.channels :], BLOCK)
    hyper = level.side.quantizer
    decoded = (side * hyper.steps + hyper.offsets) * hyper.corrections
    scale, mean = bottleneck.known(keras.ops.convert_to_tensor(decoded.astype("float32")))
    scale, mean = (np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(x))) for x in (scale, mean))
    main = np.rint((latents[..., : level.channels] - mean) / level.steps).astype(int)
    floats = symbol_bits(level.tables, main, scale_number(4096 * (np.log(scale) - np.log(level.steps))))[0].sum()
    numbers, means = level.scales_and_means(side)
    main = np.rint((latents[..., : level.channels] - means) / level.steps).astype(int)
    whole = symbol_bits(level.tables, main, numbers)[0].sum()
    assert abs(whole / floats - 1) < 0.005


def test_a_frozen_hyperprior_is_saved_and_loaded_to_the_same_digest(codec, tmp_path):
    codec.frozen.save(tmp_path / "codec.npz")
    loaded = Frozen.load(tmp_path / "codec.npz")
    assert loaded.digest == codec.frozen.digest
    latents = codec.network.encode(smooth_images(3))
    for mine, its in zip(codec.frozen.levels[::7], loaded.levels[::7], strict=True):
        np.testing.assert_array_equal(mine.quantize(latents), its.quantize(latents))
        np.testing.assert_array_equal(mine.dequantize(mine.quantize(latents)), its.dequantize(its.quantize(latents)))
