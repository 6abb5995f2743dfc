from itertools import pairwise

import numpy as np
import pytest

from kerasae.codec.latent_coder import symbol_bits
from kerasae.codec.quantizer import LARGEST, Predictor, Quantizer, differences, fit_quantizer, rounded, undo_differences
from kerasae.codec.tables import Tables, integer_frequencies
from kerasae.errors import CodecError


def plain(steps):
    steps = np.asarray(steps, np.float32)
    return Quantizer(steps, np.zeros(len(steps), np.int32), np.zeros((len(steps), 0), np.float32))


def test_without_points_the_error_is_at_most_half_a_step():
    latents = np.random.default_rng(0).normal(0, 30, (1000, 2)).astype(np.float32)
    quantizer = plain([0.5, 3.0])
    error = np.abs(quantizer.dequantize(quantizer.quantize(latents)) - latents)
    assert (error <= np.array([0.25, 1.5]) * 1.0001).all()
    assert error[:, 1].max() > 1.4


def test_points_are_the_means_of_their_bins_and_lower_the_error():
    latents = np.random.default_rng(0).exponential(1.0, (20_000, 1)).astype(np.float32)
    fitted, middle = fit_quantizer(latents, [1.5]), plain([1.5])
    integers = fitted.quantize(latents)
    np.testing.assert_array_equal(integers, middle.quantize(latents))
    for integer in range(3):
        inside = latents[integers == integer]
        point = fitted.dequantize(np.array([[integer]], np.int32))[0, 0]
        assert point == pytest.approx(inside.mean(), rel=2e-3)
    errors = [((one.dequantize(integers) - latents) ** 2).mean() for one in (fitted, middle)]
    assert errors[0] < 0.97 * errors[1]


def test_integers_without_a_point_stand_for_themselves_times_the_step():
    fitted = fit_quantizer(np.linspace(-1, 1, 50, dtype=np.float32)[:, None], [0.25])
    assert fitted.dequantize(np.array([[1000]], np.int32))[0, 0] == 250.0


def learned(dead_zone=0.0, latents=None, **more):
    if latents is None:
        latents = np.random.default_rng(4).laplace(0.3, 2.0, (4000, 2)).astype(np.float32)
    offsets, corrections = np.array([0.3, -1.1]), np.array([1.1, 0.7])
    return fit_quantizer(
        latents, [0.5, 2.0], offsets=offsets, corrections=corrections, dead_zone=dead_zone, **more
    ), latents


def test_a_learned_codec_s_latents_are_rounded_around_offsets_and_corrected():
    quantizer, latents = learned(points=1)
    integers = quantizer.quantize(latents)
    np.testing.assert_array_equal(integers, np.rint((latents - quantizer.offsets) / quantizer.steps))
    far = integers[(np.abs(integers) > 3).all(axis=1)]
    assert len(far) > 50
    expected = (far * np.array([0.5, 2.0]) + np.array([0.3, -1.1])) * np.array([1.1, 0.7])
    np.testing.assert_allclose(quantizer.dequantize(far), expected, rtol=1e-5, atol=1e-5)


def test_points_of_a_learned_codec_are_corrected_means():
    quantizer, latents = learned()
    integers = quantizer.quantize(latents)
    for channel, correction in enumerate((1.1, 0.7)):
        inside = latents[integers[:, channel] == 0, channel].astype(np.float64)
        middle = quantizer.offsets[channel]
        point = (inside.sum() + 4 * middle) / (len(inside) + 4) * correction
        assert quantizer.dequantize(np.zeros((1, 2), np.int32))[0, channel] == pytest.approx(point, rel=1e-5)


@pytest.mark.parametrize("dead_zone", [0.04, 0.16, 0.5])
def test_a_dead_zone_rounds_towards_0_and_by_one_step_at_most(dead_zone):
    quotients = np.random.default_rng(5).normal(0, 3, 20_000).astype(np.float32)
    plain_integers, integers = rounded(quotients), rounded(quotients, dead_zone)
    assert integers.dtype == np.int32
    nearer = np.abs(plain_integers) - np.abs(integers)
    assert set(np.unique(nearer)) == {0, 1}
    assert (np.sign(integers) * np.sign(plain_integers) >= 0).all()
    np.testing.assert_array_equal(rounded(-quotients, dead_zone), -integers)
    # What is given up lies within so much of the border between two integers.
    distance = np.abs(quotients) - np.abs(plain_integers) + 0.5
    np.testing.assert_array_equal(nearer == 1, (distance <= np.float32(dead_zone)) & (plain_integers != 0))


def test_under_probabilities_that_fall_from_0_a_dead_zone_never_costs_bits():
    quotients = np.random.default_rng(6).laplace(0, 1.5, (500, 16, 1)).astype(np.float32)
    shares = 0.5 ** np.abs(np.arange(-40, 41))
    tables = Tables(integer_frequencies(np.append(shares, 1e-9)[None]), np.array([-40], np.int32))
    bits = [
        symbol_bits(tables, rounded(quotients, dead_zone), np.zeros(1, int))[0].sum(axis=(1, 2))
        for dead_zone in (0.0, 0.05, 0.1, 0.2)
    ]
    for wider, narrower in pairwise(bits[::-1]):
        assert (wider <= narrower).all()
        assert wider.sum() < narrower.sum()


def test_what_is_no_number_is_refused_and_what_is_too_large_saturates():
    quantizer = plain([1e-3])
    with pytest.raises(CodecError, match="latents that are not finite numbers"):
        quantizer.quantize(np.array([[np.nan]], np.float32))
    np.testing.assert_array_equal(quantizer.quantize(np.array([[1e9], [-1e9]], np.float32)), [[LARGEST], [-LARGEST]])


@pytest.mark.parametrize("kind", Predictor)
@pytest.mark.parametrize("shape", [(3, 8, 5), (1, 1, 9), (2, 7, 1), (1, 1, 1)])
def test_differences_are_undone(kind, shape):
    grid = np.random.default_rng(0).integers(-(2**20), 2**20, shape).astype(np.int32)
    np.testing.assert_array_equal(undo_differences(differences(grid, kind), kind), grid)


def test_the_plane_leaves_nothing_of_a_ramp_and_left_nothing_of_rows_that_are_flat():
    rows, columns = np.mgrid[0:6, 0:7]
    ramp = (3 * rows - 2 * columns).astype(np.int32)[None]
    assert not differences(ramp, Predictor.PLANE)[0, 1:, 1:].any()
    flat_rows = np.broadcast_to(rows, (1, 6, 7)).astype(np.int32)
    assert not differences(flat_rows, Predictor.LEFT)[0, :, 1:].any()
    assert not differences(flat_rows.transpose(0, 2, 1), Predictor.ABOVE)[0, 1:, :].any()
