"""Latents and hyper-latents in one payload, and the tables that the latter choose from."""

import keras
import numpy as np
import pytest
from scipy.stats import norm

from kerasae.codec.hyperprior_coder import BLOCK, SCALES, count_integers, scale_number, scale_tables, scales
from kerasae.codec.integer_network import blocks
from kerasae.codec.latent_coder import symbol_bits
from kerasae.codec.tables import TOTAL
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
    latents = codec.network.encode(smooth_images(40))
    level, bottleneck = codec.frozen.levels[4], codec.model.bottleneck
    integers = level.quantize(latents)
    side = blocks(integers[..., level.channels :], BLOCK)
    hyper = level.side.quantizer
    decoded = (side * hyper.steps + hyper.offsets) * hyper.corrections
    scale, mean = bottleneck.predict_scales_and_means(keras.ops.convert_to_tensor(decoded.astype("float32")))
    scale, mean = (np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(x))) for x in (scale, mean))
    main = np.rint((latents[..., : level.channels] - mean) / level.steps).astype(int)
    floats = symbol_bits(level.tables, main, scale_number(4096 * (np.log(scale) - np.log(level.steps))))[0].sum()
    numbers, means = level.scales_and_means(side)
    main = np.rint((latents[..., : level.channels] - means) / level.steps).astype(int)
    whole = symbol_bits(level.tables, main, numbers)[0].sum()
    assert abs(whole / floats - 1) < 0.005


def test_scales_are_in_equal_ratios_and_each_is_nearest_to_itself():
    logs = np.log(scales())
    np.testing.assert_allclose(np.diff(logs), 500 / 4096)
    np.testing.assert_array_equal(scale_number(np.rint(logs * 4096)), np.arange(SCALES))
    np.testing.assert_array_equal(scale_number(np.rint((logs + 0.05) * 4096)), np.arange(SCALES))
    np.testing.assert_array_equal(scale_number(np.array([-(2.0**21), 2.0**21])), [0, SCALES - 1])


def test_without_counts_the_tables_are_those_of_normal_distributions():
    tables = scale_tables()
    np.testing.assert_array_equal(tables.frequencies.sum(axis=1), TOTAL)
    for number in (0, 18, 30, 45):
        scale = scales()[number]
        integers = np.arange(-3, 4)
        expected = norm.cdf((integers + 0.5) / scale) - norm.cdf((integers - 0.5) / scale)
        found = tables.frequencies[number, integers - tables.lowest[number]] / TOTAL
        np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("number", [5, 20, 40])
def test_what_was_seen_outweighs_the_normal_distribution(number):
    random = np.random.default_rng(0)
    seen = np.rint(random.laplace(0, scales()[number], 200_000)).astype(int)
    tables = scale_tables(count_integers(seen, np.full(seen.shape, number)))
    share = (seen == 0).mean()
    found = tables.frequencies[number, -tables.lowest[number]] / TOTAL
    assert abs(found - share) < 0.01
    # The others are as they were.
    other = SCALES - 1
    np.testing.assert_array_equal(tables.frequencies[other], scale_tables().frequencies[other])
