import numpy as np
import pytest

from kerasae.codec.predictor import Predictor, differences, undo_differences
from kerasae.codec.quantiser import LARGEST, Quantiser, fit_quantiser
from kerasae.errors import CodecError


def plain(steps):
    steps = np.asarray(steps, np.float32)
    return Quantiser(steps, np.zeros(len(steps), np.int32), np.zeros((len(steps), 0), np.float32))


def test_without_points_the_error_is_at_most_half_a_step():
    latents = np.random.default_rng(0).normal(0, 30, (1000, 2)).astype(np.float32)
    quantiser = plain([0.5, 3.0])
    error = np.abs(quantiser.dequantise(quantiser.quantise(latents)) - latents)
    assert (error <= np.array([0.25, 1.5]) * 1.0001).all()
    assert error[:, 1].max() > 1.4


def test_points_are_the_means_of_their_bins_and_lower_the_error():
    latents = np.random.default_rng(0).exponential(1.0, (20_000, 1)).astype(np.float32)
    fitted, middle = fit_quantiser(latents, [1.5]), plain([1.5])
    integers = fitted.quantise(latents)
    np.testing.assert_array_equal(integers, middle.quantise(latents))
    for integer in range(3):
        inside = latents[integers == integer]
        point = fitted.dequantise(np.array([[integer]], np.int32))[0, 0]
        assert point == pytest.approx(inside.mean(), rel=2e-3)
    errors = [((one.dequantise(integers) - latents) ** 2).mean() for one in (fitted, middle)]
    assert errors[0] < 0.97 * errors[1]


def test_integers_without_a_point_stand_for_themselves_times_the_step():
    fitted = fit_quantiser(np.linspace(-1, 1, 50, dtype=np.float32)[:, None], [0.25])
    assert fitted.dequantise(np.array([[1000]], np.int32))[0, 0] == 250.0


def test_what_is_no_number_is_refused_and_what_is_too_large_saturates():
    quantiser = plain([1e-3])
    with pytest.raises(CodecError, match="latents that are not finite numbers"):
        quantiser.quantise(np.array([[np.nan]], np.float32))
    np.testing.assert_array_equal(quantiser.quantise(np.array([[1e9], [-1e9]], np.float32)), [[LARGEST], [-LARGEST]])


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
