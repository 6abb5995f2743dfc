import keras
import numpy as np
import pytest
from keras import ops

from kerasae.entropy import FactorizedBottleneck, FactorizedDensity, LogisticMixtureDensity
from tests.entropy.densities import KINDS, trained
from tests.gradients import evaluate, gradients

ENCODED = np.random.default_rng(0).normal(scale=3, size=(2, 3, 4, 3)).astype("float32")


def both(bottleneck, encoded, sample=False):
    # Not compiled as a whole on JAX: the generator's state would not come out of it.
    call = evaluate if not sample else lambda function, encoded: map(ops.convert_to_numpy, function(encoded))
    return call(lambda encoded: bottleneck(encoded, sample=sample), encoded)


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_latents_cost_what_the_density_says_in_nats(kind):
    density = trained(kind)
    latents, rate = both(FactorizedBottleneck(density), ENCODED)
    np.testing.assert_array_equal(latents, np.rint(ENCODED))
    np.testing.assert_allclose(rate, np.log(2) * evaluate(density.bits, latents), rtol=1e-6)
    assert rate.shape == (2,)


def test_a_sample_is_noise_within_half_of_the_encoded():
    bottleneck = FactorizedBottleneck(trained(LogisticMixtureDensity), seed=4)
    latents, rate = both(bottleneck, ENCODED, sample=True)
    again, _ = both(bottleneck, ENCODED, sample=True)
    assert 0.4 < abs(latents - ENCODED).max() <= 0.5 + 1e-6
    assert abs(latents - again).max() > 0.1
    np.testing.assert_allclose(rate, np.log(2) * evaluate(bottleneck.density.bits, latents), rtol=1e-6)


@pytest.mark.parametrize("sample", [False, True])
def test_distortion_and_rate_reach_the_encoder(sample):
    bottleneck = FactorizedBottleneck(trained(LogisticMixtureDensity))
    through, *_ = gradients(lambda encoded: ops.sum(2.0 * bottleneck(encoded, sample=sample)[0]), [ENCODED])
    np.testing.assert_array_equal(through, np.full(ENCODED.shape, 2.0))
    variables = bottleneck.trainable_variables
    assert [variable.name for variable in variables] == ["logits", "means", "log_scales"]
    costs, *rest = gradients(lambda encoded: ops.sum(bottleneck(encoded, sample=sample)[1]), [ENCODED], variables)
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


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((None, None, 3))
    bottleneck = FactorizedBottleneck(trained(FactorizedDensity), seed=5, name="bottleneck")
    bottleneck.centre()
    model = keras.Model(inputs, bottleneck(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("bottleneck").get_config() == bottleneck.get_config()
    for ours, theirs in zip(model.predict_on_batch(ENCODED), loaded.predict_on_batch(ENCODED), strict=True):
        np.testing.assert_array_equal(ours, theirs)
