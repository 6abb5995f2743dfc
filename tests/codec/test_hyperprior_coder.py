"""Latents and hyper-latents in one payload, and the tables that the latter choose from."""

from dataclasses import astuple, replace

import keras
import numpy as np
import pytest
from scipy.stats import norm

from kerasae.codec import hyperprior_coder
from kerasae.codec.entropy_coder import TOTAL
from kerasae.codec.hyperprior_coder import BLOCK, SCALES, count_integers, scale_number, scale_tables, scales
from kerasae.codec.integer_network import blocks, join_pass, split_passes
from kerasae.codec.latent_coder import dead_zone_at, symbol_bits
from kerasae.codec.quantizer import zones_of
from kerasae.models import hyperprior
from tests.codec.made_up import HYPERPRIORS, made_up_codec
from tests.conftest import smooth_images


@pytest.fixture(params=HYPERPRIORS)
def codec(request):
    return made_up_codec(request.param)


def test_integers_come_back_with_outliers_too(codec):
    latents = codec.network.encode(smooth_images(5, size=64))
    random = np.random.default_rng(1)
    for level in codec.frozen.levels[::5]:
        integers = level.quantize(latents).integers
        integers[0].flat[random.integers(0, integers[0].size, 6)] = random.integers(-(2**20), 2**20, 6)
        quantized = level.known(integers)
        coded = level.encode(quantized)
        assert coded[0][1] > 0
        payloads = [payload for payload, _ in coded]
        decoded = level.decode(payloads, *integers.shape[1:3])
        for found, wanted in zip(astuple(decoded), astuple(quantized), strict=True):
            np.testing.assert_array_equal(found, wanted)
        level.check(payloads, decoded)
        real = np.array([8 * len(payload) for payload in payloads])
        np.testing.assert_allclose(real, level.estimated_bits(quantized), atol=40)


def test_the_decoder_is_given_the_latents_to_half_a_bin(codec):
    latents = codec.network.encode(smooth_images(6))
    level = codec.frozen.levels[-1]
    level = replace(level, dead_zone=dead_zone_at(level.tables, 4.0))
    assert level.dead_zone.shape == (SCALES, 3)
    quantized = level.quantize(latents)
    wrong = np.abs(level.dequantize(quantized) / level.corrections - latents[..., : level.channels]) / level.steps
    zero, one, more = zones_of(level.dead_zone, quantized.numbers)
    sizes = np.abs(quantized.integers[..., : level.channels])
    # The bin of 0 is wider on both sides, one beyond by what its outer border lies farther out than its inner one.
    wider = np.select([sizes == 0, sizes == 1, sizes == 2], [zero, (one - zero) / 2, (more - one) / 2], 0.0)
    assert (wrong <= 0.5 + wider + 1e-3).all()
    assert (wrong > 0.5).any()


def test_the_integer_networks_cost_less_than_half_a_percent(codec):
    """Bits under the tables that integers choose, against those that the float networks' scales choose."""
    latents = codec.network.encode(smooth_images(40))
    level, bottleneck = codec.frozen.levels[4], codec.model.bottleneck
    hyper, passes = level.side.quantizer, bottleneck.passes
    side = level.side.quantize(blocks(latents[..., level.channels :], BLOCK)).integers
    parts, bits = split_passes(latents[..., : level.channels], passes), []
    steps = np.tile(level.steps, 4 // passes if passes > 1 else 1)

    def cost(place, numbers, mean):
        main = np.rint((parts[place] - mean) / steps).astype(int)
        bits.append(symbol_bits(level.tables, main, numbers)[0].sum())
        return main

    def cost_in_floats(place, scale, mean, width):
        scale, mean = (keras.ops.convert_to_numpy(one) for one in (scale, mean))
        main = cost(place, scale_number(4096 * (np.log(scale) - np.log(steps))), mean)
        return keras.ops.convert_to_tensor((main * steps + mean).astype("float32"))

    level.pass_by_pass(side, cost)
    whole = sum(bits)
    bits.clear()
    decoded = ((side * hyper.steps + hyper.offsets) * hyper.corrections).astype("float32")
    widths = keras.ops.convert_to_tensor(np.broadcast_to(level.steps, (40, 1, 1, level.channels)))
    bottleneck.pass_by_pass(keras.ops.convert_to_tensor(decoded), widths, cost_in_floats)
    assert abs(whole / sum(bits) - 1) < 0.005


def joined(parts, like):
    """Undo ``split_passes`` of an array of the shape of ``like``."""
    grid = np.full_like(like, -1)
    for place, part in enumerate(parts):
        join_pass(grid, part, place, len(parts))
    return grid


def test_passes_are_the_same_in_numpy_and_in_keras_and_each_has_every_position():
    grid = np.arange(2 * 4 * 8 * 10, dtype="float32").reshape(2, 4, 8, 10)
    for passes in (1, 2, 4):
        parts = split_passes(grid, passes)
        mine = hyperprior.split_passes(keras.ops.convert_to_tensor(grid), passes)
        for one, other in zip(parts, mine, strict=True):
            np.testing.assert_array_equal(one, keras.ops.convert_to_numpy(other))
        np.testing.assert_array_equal(joined(parts, grid), grid)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(hyperprior.join_passes(mine, passes)), grid)
        # Of ten channels the quarters have 3, 3, 2 and 2.
        places = [np.unique(part // 10) for part in parts]
        assert all(np.array_equal(one, np.unique(grid // 10)) for one in places)


def test_a_pass_is_decoded_before_the_next_is_asked_for(codec):
    latents = codec.network.encode(smooth_images(3, size=64))
    level = codec.frozen.levels[0]
    quantized = level.quantize(latents)
    integers = quantized.integers
    passes = len(level.context) + 1
    assert passes == codec.model.bottleneck.passes
    parts = split_passes(integers[..., : level.channels], passes)
    numbers = split_passes(quantized.numbers, passes)
    for place in range(passes):
        later = [part + 3 * (other >= place) for other, part in enumerate(parts)]
        main, side = integers[..., : level.channels], integers[..., level.channels :]
        changed = np.concatenate([joined(later, main), side], axis=-1)
        found = split_passes(level.known(changed).numbers, passes)
        for other in range(place + 1):
            np.testing.assert_array_equal(found[other], numbers[other])
        assert passes == 1 or place + 1 == passes or not np.array_equal(found[place + 1], numbers[place + 1])


def test_a_large_image_is_quantized_in_squares_as_it_is_in_one_piece(codec, monkeypatch):
    latents = codec.network.encode(smooth_images(2, size=512))[:, :, :20]
    level = codec.frozen.levels[-1]
    whole = level.quantize(latents)
    monkeypatch.setattr(hyperprior_coder, "_QUANTIZED_AT_ONCE", 8)
    parts = level.quantize(latents)
    for name in ("integers", "numbers", "means"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert whole.integers[..., : level.channels].any()


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
