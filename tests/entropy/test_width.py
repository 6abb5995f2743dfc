"""What the width of the interval does: one density, every quantizer step."""

import numpy as np
import pytest
from keras import ops
from scipy import special

from kerasae.entropy import FactorizedDensity, GaussianDensity, integer_support
from tests.entropy.densities import KINDS, cumulative, trained, weights_of
from tests.gradients import central_differences, evaluate, gradients

PER_KIND = pytest.mark.parametrize("kind", KINDS)
WIDTHS = [0.3, 1.0, 2.7, np.array([0.4, 1.3, 3.1])]
LATENTS = np.random.default_rng(1).normal(scale=3, size=(4, 2, 2, 3)).astype("float32")


def lattice(log_cumulatives, width, channels=3):
    """Return the multiples of ``width`` that hold all but 2⁻⁴⁰ of the mass, ``(count, channels)``."""
    lowest, highest = integer_support(lambda places: log_cumulatives(places * width), channels, tail_bits=40)
    # The ends of the intervals of an integer support, half a place out, are those of the steps.
    places = lowest + np.arange(int((highest - lowest).max()) + 1)[:, None]
    return (places * width).astype("float32")


@pytest.mark.parametrize("width", WIDTHS, ids=str)
@PER_KIND
def test_probabilities_of_the_multiples_of_a_step_sum_to_1(kind, width):
    density = trained(kind)
    latents = lattice(density.log_cumulatives, width)
    bits = evaluate(lambda latents: density.element_bits(latents, width=np.float32(width)), latents)
    np.testing.assert_allclose((2.0 ** -bits.astype("float64")).sum(axis=0), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_probabilities_of_a_gaussian_on_the_multiples_of_a_step_sum_to_1(width):
    density, scales, mean = GaussianDensity(), np.array([0.5, 2.0, 6.0]), 0.3
    latents = lattice(lambda values: density.log_cumulatives(values, scales, mean), width)
    bits = evaluate(lambda latents: density.element_bits(latents, scales, mean, width=np.float32(width)), latents)
    np.testing.assert_allclose((2.0 ** -bits.astype("float64")).sum(axis=0), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (3,), (4, 1, 1, 3), (4, 2, 2, 3), (4, 1, 1, 1)], ids=str)
@PER_KIND
def test_a_width_of_any_shape_is_the_mass_of_the_formula(kind, shape):
    density = trained(kind)
    width = np.random.default_rng(2).uniform(0.2, 4, shape).astype("float32")
    found = evaluate(lambda latents, width: density.element_bits(latents, width=width), LATENTS, width)
    weights, each = weights_of(density), np.broadcast_to(width, LATENTS.shape).astype("float64")

    def mass(place):
        middle, half = float(LATENTS[place]), each[place] / 2
        upper, lower = (cumulative(kind, weights, place[-1], middle + side * half) for side in (1, -1))
        return upper - lower

    expected = -np.log2([mass(place) for place in np.ndindex(LATENTS.shape)]).reshape(LATENTS.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for whole in (density.bits, density):
        bits = evaluate(lambda latents, width, whole=whole: whole(latents, width=width), LATENTS, width)
        np.testing.assert_allclose(bits, expected.sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("width", [0.25, 4.0])
def test_a_width_is_a_density_of_another_scale(width):
    # F(y ± w/2) of a scale s is F(y/w ± ½) of a scale s/w.
    plain, scaled = trained(KINDS[1]), trained(KINDS[1])
    scaled.means.assign(ops.convert_to_numpy(plain.means) / width)
    scaled.log_scales.assign(ops.convert_to_numpy(plain.log_scales) - np.log(width))
    wide = evaluate(lambda latents: plain.element_bits(latents, width=width), LATENTS)
    np.testing.assert_allclose(evaluate(scaled.element_bits, LATENTS / width), wide, rtol=1e-4, atol=1e-5)
    density, scales, mean = GaussianDensity(), np.array([0.7, 2.0, 5.0]), np.array([0.1, -1.0, 3.0])
    wide = evaluate(lambda latents: density.element_bits(latents, scales, mean, width=width), LATENTS)
    again = evaluate(lambda latents: density.element_bits(latents, scales / width, mean / width), LATENTS / width)
    np.testing.assert_allclose(again, wide, rtol=1e-4, atol=1e-5)


@PER_KIND
def test_two_half_steps_hold_what_one_step_holds(kind):
    density = trained(kind)
    whole = evaluate(lambda latents: density.element_bits(latents, width=2.0), LATENTS)
    halves = [evaluate(density.element_bits, LATENTS + side) for side in (-0.5, 0.5)]
    np.testing.assert_allclose(sum(2.0**-half for half in halves), 2.0**-whole, rtol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, GaussianDensity])
def test_gradients_of_the_width_are_those_of_finite_differences(kind):
    random = np.random.default_rng(3)
    # Near the middle, where a difference of two float64 cumulatives knows its digits.
    latents = random.normal(scale=1.2, size=(5, 3)).astype("float32")
    widths = random.uniform(0.5, 3, (5, 3)).astype("float32")
    if kind is GaussianDensity:
        density, scales, mean = GaussianDensity(), np.array([0.9, 2.0, 6.0]), 0.2

        def function(x, channel):
            return special.ndtr((x - mean) / scales[channel])

        def bits(width):
            return ops.sum(density.element_bits(latents, scales, mean, width=width))
    else:
        density = trained(kind)
        weights = weights_of(density)

        def function(x, channel):
            return cumulative(kind, weights, channel, x)

        def bits(width):
            return ops.sum(density.element_bits(latents, width=width))

    def total(width):
        halves = [(place, latents[place], width[place] / 2) for place in np.ndindex(latents.shape)]
        return -sum(np.log2(function(y + half, place[1]) - function(y - half, place[1])) for place, y, half in halves)

    (found,) = gradients(bits, [widths])
    (expected,) = central_differences(total, [widths])
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)
    # A wider interval holds more.
    assert (found < 0).all()


@PER_KIND
def test_one_width_s_gradient_is_the_sum_of_what_each_element_asks(kind):
    density = trained(kind)
    (one,) = gradients(lambda width: ops.sum(density.element_bits(LATENTS, width=width)), [np.float32(1.7)])
    (each,) = gradients(
        lambda width: ops.sum(density.element_bits(LATENTS, width=width)), [np.full(LATENTS.shape, 1.7, "float32")]
    )
    np.testing.assert_allclose(one, each.sum(), rtol=1e-4)


@PER_KIND
def test_far_out_bits_of_narrow_and_wide_steps_are_finite(kind):
    density = trained(kind)
    latents = np.array([[-1e6], [-1e4], [0], [1e4], [1e6]]) * np.ones(3)
    for width in (0.05, 20.0):
        found = gradients(
            lambda latents, width: ops.sum(density.bits(latents, width=width)),
            [latents, np.full(3, width)],
            density.trainable_variables,
        )
        assert all(np.isfinite(gradient).all() for gradient in found)
        bits = evaluate(lambda latents, width=width: density.element_bits(latents, width=width), latents)
        assert np.isfinite(bits).all()
        assert (bits[[0, 1, 3, 4]] > bits[2]).all()


def test_a_density_of_float64_cumulatives_and_the_width_agree():
    density, width = trained(FactorizedDensity), 0.75
    latents = lattice(density.log_cumulatives, width)[10:-10].astype("float64")
    below = [np.exp(density.log_cumulatives(latents + side * width / 2)[0]) for side in (1, -1)]
    bits = evaluate(lambda latents: density.element_bits(latents, width=width), latents)
    middle = below[0] - below[1] > 1e-6
    np.testing.assert_allclose(bits[middle], -np.log2((below[0] - below[1])[middle]), rtol=1e-4, atol=1e-5)
