import numpy as np
import pytest

from kerasae.codec.entropy_coder import Tables, integer_frequencies
from kerasae.codec.latent_coder import dead_zone_at, symbol_bits
from kerasae.codec.quantizer import (
    LARGEST,
    Predictor,
    Quantizer,
    differences,
    fit_quantizer,
    middles,
    rounded,
    undo_differences,
    zones_of,
)
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


def learned(latents=None, **more):
    if latents is None:
        latents = np.random.default_rng(4).laplace(0.3, 2.0, (4000, 2)).astype(np.float32)
    offsets, corrections = np.array([0.3, -1.1]), np.array([1.1, 0.7])
    return fit_quantizer(latents, [0.5, 2.0], offsets=offsets, corrections=corrections, **more), latents


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


ZONES = [(0.04, 0.04, 0.04), (0.5, 0.16, 0.04), (0.3, 0.0, 0.1), (0.0, 0.2, 0.0)]


@pytest.mark.parametrize("zones", ZONES)
def test_a_dead_zone_rounds_towards_0_and_by_one_step_at_most(zones):
    quotients = np.random.default_rng(5).normal(0, 3, 20_000).astype(np.float32)
    plain_integers, integers = rounded(quotients), rounded(quotients, zones)
    assert integers.dtype == np.int32
    nearer = np.abs(plain_integers) - np.abs(integers)
    assert set(np.unique(nearer)) == {0, 1}
    assert (np.sign(integers) * np.sign(plain_integers) >= 0).all()
    np.testing.assert_array_equal(rounded(-quotients, zones), -integers)
    # What is given up lies within so much of the border between two integers.
    lengths, sizes = np.abs(quotients), np.abs(plain_integers)
    wide = np.float32(zones)[np.clip(sizes - 1, 0, 2)]
    np.testing.assert_array_equal(nearer == 1, (lengths - sizes + 0.5 <= wide) & (sizes > 0))


@pytest.mark.parametrize("zones", ZONES)
def test_the_middle_of_a_bin_is_half_way_between_its_borders(zones):
    lengths = np.linspace(0, 7, 70_001, dtype=np.float32)
    integers = rounded(lengths, zones)
    for integer in range(1, 6):
        inside = lengths[integers == integer]
        found = middles(np.array([integer, -integer]), zones)
        np.testing.assert_allclose(found, np.array([1, -1]) * (inside[0] + inside[-1]) / 2, atol=2e-4)
    assert middles(np.array([0]), zones)[0] == 0


def test_a_dead_zone_of_one_number_is_that_of_all_borders_and_tables():
    quotients = np.random.default_rng(5).normal(0, 3, 1000).astype(np.float32)
    tables = np.random.default_rng(6).integers(0, 4, 1000)
    old, new = np.float32([0.1]), np.full((4, 3), 0.1, np.float32)
    integers = rounded(quotients, zones_of(old))
    np.testing.assert_array_equal(integers, rounded(quotients, zones_of(new, tables)))
    np.testing.assert_array_equal(middles(integers, zones_of(old)), middles(integers, zones_of(new, tables)))


def test_a_dead_zone_rounds_to_what_costs_least():
    """Against a search over all integers, of bits + price · squared error, where those are all that is paid for."""
    shares = 0.4 ** np.abs(np.arange(-40, 41))
    tables = Tables(integer_frequencies(np.append(shares, 1e-9)[None]), np.array([-40], np.int32))
    quotients = np.random.default_rng(6).laplace(0, 1.5, 5000).astype(np.float32)
    for price in (4.0, 8.7, 30.0):
        integers = np.arange(-12, 13)
        costs = symbol_bits(tables, integers, np.zeros(1, int))[0] + price * (quotients[:, None] - integers) ** 2
        zone = dead_zone_at(tables, price)
        assert zone.shape == (1, 3)
        found = rounded(quotients, zones_of(zone, np.zeros(5000, int)))
        np.testing.assert_array_equal(found, integers[costs.argmin(axis=1)])
    assert not dead_zone_at(tables, np.inf).any()


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
