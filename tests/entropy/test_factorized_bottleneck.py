import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from kerasae.entropy import FactorizedBottleneck, FactorizedDensity, LogisticMixtureDensity
from kerasae.layers import QualityGains
from tests.entropy.densities import KINDS, trained
from tests.gradients import evaluate, gradients

ENCODED = np.random.default_rng(0).normal(scale=3, size=(2, 3, 4, 3)).astype("float32")


def both(bottleneck, encoded, training=False):
    # Not compiled as a whole on JAX: the generator's state would not come out of it.
    call = evaluate if not training else lambda function, encoded: map(ops.convert_to_numpy, function(encoded))
    return call(lambda encoded: bottleneck(encoded, training=training), encoded)


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_latents_cost_what_the_density_says_in_nats(kind):
    density = trained(kind)
    latents, rate = both(FactorizedBottleneck(density), ENCODED)
    np.testing.assert_array_equal(latents, np.rint(ENCODED))
    np.testing.assert_allclose(rate, np.log(2) * evaluate(density.bits, latents), rtol=1e-6)
    assert rate.shape == (2,)


def test_a_sample_is_noise_within_half_of_the_encoded():
    bottleneck = FactorizedBottleneck(trained(LogisticMixtureDensity), seed=4)
    latents, rate = both(bottleneck, ENCODED, training=True)
    again, _ = both(bottleneck, ENCODED, training=True)
    assert 0.4 < abs(latents - ENCODED).max() <= 0.5 + 1e-6
    assert abs(latents - again).max() > 0.1
    np.testing.assert_allclose(rate, np.log(2) * evaluate(bottleneck.density.bits, latents), rtol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_distortion_and_rate_reach_the_encoder(training):
    bottleneck = FactorizedBottleneck(trained(LogisticMixtureDensity))
    through, *_ = gradients(lambda encoded: ops.sum(2.0 * bottleneck(encoded, training=training)[0]), [ENCODED])
    np.testing.assert_array_equal(through, np.full(ENCODED.shape, 2.0))
    variables = bottleneck.trainable_variables
    assert [variable.name for variable in variables] == ["logits", "means", "log_scales"]
    costs, *rest = gradients(lambda encoded: ops.sum(bottleneck(encoded, training=training)[1]), [ENCODED], variables)
    assert (costs != 0).mean() > 0.9
    assert all((gradient != 0).any() for gradient in rest)


def test_a_dead_channel_costs_a_bit_beside_the_centre_and_nothing_on_it():
    # All its latents are ½; with noise they are uniform on [0, 1], for which a step of F at ½ is the best there is.
    density = LogisticMixtureDensity(1, components=1)
    density.means.assign([[0.5]])
    density.log_scales.assign([[np.log(0.01)]])
    bottleneck, encoded = FactorizedBottleneck(density), np.full((1, 10, 10, 1), 0.5, "float32")
    np.testing.assert_allclose(both(bottleneck, encoded)[1], 100 * np.log(2), rtol=1e-4)
    bottleneck.centre()
    latents, rate = both(bottleneck, encoded)
    np.testing.assert_allclose(latents, 0.5, atol=1e-5)
    assert rate < 1e-6


def test_centred_rounding_keeps_whole_steps_from_the_median():
    bottleneck = FactorizedBottleneck(trained(LogisticMixtureDensity))
    bottleneck.centre()
    centres = ops.convert_to_numpy(bottleneck.centres)
    assert abs(centres).max() > 0.05
    latents, _ = both(bottleneck, ENCODED)
    steps = latents - centres
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-5)
    assert abs(latents - ENCODED).max() <= 0.5 + 1e-5


def with_gains(kind=LogisticMixtureDensity, levels=3, **more):
    """Return a centred bottleneck of several qualities, its steps and corrections of their own."""
    random = np.random.default_rng(6)
    gains = QualityGains(levels, 3, span=6.0)
    for weight in gains.weights:
        weight.assign(ops.convert_to_numpy(weight) + random.normal(scale=0.2, size=weight.shape))
    bottleneck = FactorizedBottleneck(trained(kind), gains=gains, **more)
    bottleneck.centre()
    return bottleneck


def at(bottleneck, encoded, quality):
    quality = np.broadcast_to(np.float32(quality), len(encoded))
    return evaluate(lambda encoded, quality: bottleneck(encoded, quality=quality), encoded, quality)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quality", [1.0, 1.75, 3.0])
def test_at_a_quality_latents_are_whole_steps_from_the_centres_times_the_correction(kind, quality):
    bottleneck = with_gains(kind)
    latents, rate = at(bottleneck, ENCODED, quality)
    steps, corrections = bottleneck.gains.steps(quality)
    centres = ops.convert_to_numpy(bottleneck.centres)
    assert abs(centres).max() > 0.05
    rounded = latents / corrections
    np.testing.assert_allclose((rounded - centres) / steps, np.rint((ENCODED - centres) / steps), atol=1e-4)
    bits = evaluate(lambda rounded: bottleneck.density.bits(rounded, width=steps), rounded)
    np.testing.assert_allclose(rate, np.log(2) * bits, rtol=1e-4)


def test_each_image_of_a_batch_has_a_quality_of_its_own():
    bottleneck, qualities = with_gains(), [1.0, 2.6]
    latents, rate = at(bottleneck, ENCODED, qualities)
    for place, quality in enumerate(qualities):
        alone = at(bottleneck, ENCODED[place : place + 1], quality)
        np.testing.assert_allclose(latents[place], alone[0][0], rtol=1e-5)
        np.testing.assert_allclose(rate[place], alone[1][0], rtol=1e-5)


def test_the_rate_falls_with_the_quality_and_the_error_rises():
    bottleneck = with_gains(levels=3)
    bottleneck.gains.log_corrections.assign(np.zeros((3, 3)))
    found = [at(bottleneck, ENCODED, quality) for quality in (3.0, 2.5, 2.0, 1.5, 1.0)]
    rates, errors = [one[1].sum() for one in found], [((one[0] - ENCODED) ** 2).mean() for one in found]
    assert sorted(rates, reverse=True) == rates
    assert rates[0] > 1.3 * rates[-1]
    assert errors[0] < errors[2] < errors[4]


def test_noise_is_uniform_over_one_step():
    bottleneck = with_gains(seed=3)
    encoded = np.random.default_rng(2).normal(size=(2, 60, 60, 3)).astype("float32")
    quality = np.array([1.0, 2.5], "float32")
    latents, _ = (ops.convert_to_numpy(part) for part in bottleneck(encoded, training=True, quality=quality))
    for place in range(2):
        steps, corrections = bottleneck.gains.steps(float(quality[place]))
        noise = (latents[place] / corrections - encoded[place]) / steps
        assert abs(noise).max() <= 0.5 + 1e-4
        for channel in range(3):
            # Kolmogorov and Smirnov: a uniform sample is refused once in a thousand seeds, and the seed is fixed.
            assert stats.kstest(noise[..., channel].ravel(), stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-3


def test_without_a_quality_the_default_is_taken():
    bottleneck = with_gains(default_quality=2.25)
    for ours, theirs in zip(both(bottleneck, ENCODED), at(bottleneck, ENCODED, 2.25), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert abs(both(bottleneck, ENCODED)[0] - at(bottleneck, ENCODED, 1.0)[0]).max() > 0.1


@pytest.mark.parametrize("training", [False, True])
def test_distortion_and_rate_reach_the_gains(training):
    bottleneck = with_gains()
    quality = np.array([1.5, 2.5], "float32")
    for part in (0, 1):
        found = gradients(
            lambda encoded, part=part: ops.sum(bottleneck(encoded, training=training, quality=quality)[part] ** 2),
            [ENCODED],
            [bottleneck.gains.log_steps, bottleneck.gains.log_corrections],
        )
        assert np.isfinite(found[1]).all()
        assert (found[1] != 0).all()
        # What the decoder multiplies by costs no bits.
        assert (found[2] != 0).all() == (part == 0)


@pytest.mark.parametrize("gains", [False, True])
def test_saved_and_loaded(tmp_path, gains):
    inputs = keras.Input((None, None, 3))
    make = with_gains if gains else lambda kind, **more: FactorizedBottleneck(trained(kind), **more)
    bottleneck = make(FactorizedDensity, seed=5, default_quality=1.5, name="bottleneck")
    bottleneck.centre()
    model = keras.Model(inputs, bottleneck(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("bottleneck").get_config() == bottleneck.get_config()
    for ours, theirs in zip(model.predict_on_batch(ENCODED), loaded.predict_on_batch(ENCODED), strict=True):
        np.testing.assert_array_equal(ours, theirs)
