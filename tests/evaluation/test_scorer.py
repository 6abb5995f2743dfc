"""Numbers of each image: the noise they are under, the batches they come in, and the models they are of."""

import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.data import ImageSet
from kerasae.evaluation.score import score_rows
from kerasae.evaluation.scorer import Scorer, fast_ssim, fixed_noise, in_order, measure
from kerasae.metrics import ssim
from kerasae.models import build_model, initialize
from kerasae.recipes import recipe_from
from kerasae.records import Score
from tests.conftest import smooth_images


@pytest.fixture(scope="module")
def image_set():
    return ImageSet.of(smooth_images(11), [f"image {place}" for place in range(11)], None, label="here", card="folder")


def scorer_of(kind, objective=None, **sizes):
    plain = {"model": {"kind": kind} | sizes, "data": {"image_size": 32}, "training": {"seed": 1}}
    plain |= {"objective": objective} if objective else {}
    return Scorer(build_model(recipe_from(plain, name="r", origin="test")))


def test_noise_belongs_to_name_seed_and_purpose():
    both = fixed_noise(["a", "b"], (16, 16, 1), seed=0, purpose="input")
    np.testing.assert_array_equal(both[1], fixed_noise(["b"], (16, 16, 1), seed=0, purpose="input")[0])
    for other in (
        fixed_noise(["c"], (16, 16, 1), seed=0, purpose="input"),
        fixed_noise(["b"], (16, 16, 1), seed=1, purpose="input"),
        fixed_noise(["b"], (16, 16, 1), seed=0, purpose="sample"),
    ):
        assert (other[0] != both[1]).all()
    many = fixed_noise([str(place) for place in range(50)], (32, 32, 1), seed=0, purpose="input")
    assert many.mean() == pytest.approx(0, abs=0.02)
    assert many.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_scores_do_not_depend_on_the_batch(image_set, batch_size):
    scorer, everything = scorer_of("conv_autoencoder"), np.arange(11)
    whole = measure(scorer, image_set, everything, sigma=0.1, batch_size=11)
    parts = measure(scorer, image_set, everything, sigma=0.1, batch_size=batch_size)
    assert parts.names == image_set.names
    for metric, values in whole.metrics["latents"].items():
        assert values.shape == (11,)
        np.testing.assert_allclose(parts.metrics["latents"][metric], values, rtol=1e-4)


def test_a_vae_is_scored_from_mean_and_sample_with_its_rate(image_set):
    scorer = scorer_of("mlp_vae", hidden=[16], latent_size=4)
    measured = measure(scorer, image_set, np.arange(11))
    assert set(measured.metrics) == {"mean", "sample"}
    assert (measured.metrics["mean"]["mse"] != measured.metrics["sample"]["mse"]).all()
    images = image_set.images.astype("float32") / 255
    mean, log_variance = (np.asarray(part) for part in scorer.autoencoder.encoder.predict(images, verbose=0))
    by_hand = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)
    np.testing.assert_allclose(measured.kl, by_hand, rtol=1e-4)
    rows = score_rows(measured, run="r", data="here", split="test", sigma=0.0)
    active = int((mean.var(axis=0) > 0.01).sum())
    assert {row.active_units for row in rows} == {active}
    assert rows[0].kl_nats == pytest.approx(by_hand.mean(), rel=1e-4)


def test_a_learned_codec_is_scored_at_its_default_quality_with_its_rate(image_set):
    scorer = scorer_of("factorized_prior", {"lambdas": [0.01, 0.02, 0.04]}, widths=[4, 6], latent_channels=5)
    measured = measure(scorer, image_set, np.arange(11))
    assert set(measured.metrics) == {"latents"}
    assert measured.kl is None
    model, images = scorer.autoencoder, image_set.images.astype("float32") / 255
    latents, nats = (
        np.asarray(ops.convert_to_numpy(part))
        for part in model.bottleneck(model.encoder(images), quality=np.full(11, 2.0, "float32"))
    )
    np.testing.assert_allclose(measured.bits_per_pixel, nats / np.log(2) / 32**2, rtol=1e-4)
    shown = np.clip(ops.convert_to_numpy(model.decoder(latents)), 0, 1)
    np.testing.assert_allclose(measured.metrics["latents"]["mse"], ((shown - images) ** 2).mean((1, 2, 3)), rtol=1e-3)
    [row] = score_rows(measured, run="r", data="here", split="test", sigma=0.0)
    assert row.bits_per_pixel == pytest.approx(measured.bits_per_pixel.mean())
    assert Score.from_dict(row.as_dict()) == row


def test_doing_nothing_costs_the_noise(image_set):
    measured = measure(Scorer(None), image_set, np.arange(11), sigma=0.1)
    noise = fixed_noise(image_set.names, (32, 32, 1), seed=0, purpose="input")
    clean = image_set.images.astype("float64") / 255
    expected = ((np.clip(clean + 0.1 * noise, 0, 1) - clean) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(measured.metrics["input"]["mse"], expected, rtol=1e-4)
    assert measured.metrics["input"]["psnr"].mean() == pytest.approx(20.5, abs=0.6)


def test_psnr_of_the_mean_mse_is_never_above_the_mean_psnr(image_set):
    measured = measure(scorer_of("conv_autoencoder"), image_set, np.arange(11))
    [row] = score_rows(measured, run="r", data="here", split="test", sigma=0.0)
    assert row.psnr_of_mean_mse == pytest.approx(-10 * np.log10(row.mse.mean), abs=1e-6)
    assert row.psnr_of_mean_mse <= row.psnr.mean
    assert row.psnr.low <= row.psnr.mean <= row.psnr.high


def test_weights_that_change_between_two_measurements_are_seen(image_set):
    scorer, everything = scorer_of("conv_autoencoder"), np.arange(11)
    before = measure(scorer, image_set, everything, batch_size=2).metrics["latents"]["mse"]
    initialize(scorer.autoencoder, 2)
    after = measure(scorer, image_set, everything, batch_size=2).metrics["latents"]["mse"]
    assert (before != after).all()
    fresh = measure(Scorer(scorer.autoencoder), image_set, everything, batch_size=2).metrics["latents"]["mse"]
    np.testing.assert_array_equal(after, fresh)


def test_an_error_among_the_batches_is_raised(image_set):
    with pytest.raises(IndexError):
        measure(scorer_of("conv_autoencoder"), image_set, np.array([0, 1, 2, 99, 3, 4]), batch_size=1)


# === Threads ===


@pytest.mark.parametrize("at_once", [1, 2])
def test_results_come_in_the_order_of_the_batches(at_once):
    for first_alone in (True, False):
        found = in_order(lambda batch: -batch, [3, 1, 2], at_once=at_once, first_alone=first_alone)
        assert list(found) == [-3, -1, -2]
    assert list(in_order(lambda batch: batch, [], at_once=at_once, first_alone=True)) == []


def test_two_are_at_work_at_once():
    both = threading.Barrier(2, timeout=60)
    places = list(in_order(lambda batch: both.wait(), range(4), at_once=2, first_alone=False))
    assert sorted(places) == [0, 0, 1, 1]


def test_the_second_waits_for_the_first_where_it_should():
    finished = []

    def function(batch):
        assert batch == 0 or 0 in finished
        finished.append(batch)

    list(in_order(function, range(5), at_once=2, first_alone=True))
    assert sorted(finished) == list(range(5))


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_is_not_begun_is_dropped_after_an_error(at_once):
    begun = []

    def function(batch):
        begun.append(batch)
        if batch == 3:
            raise ValueError("batch 3")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="batch 3"):
        list(in_order(function, range(1000), at_once=at_once, first_alone=True))
    assert len(begun) < 500


# === SSIM, compiled apart ===


def pair():
    clean = smooth_images(6).astype("float32") / 255
    return clean, np.clip(clean + np.random.default_rng(0).normal(0, 0.1, clean.shape), 0, 1).astype("float32")


def test_fast_ssim_is_ssim():
    np.testing.assert_allclose(np.asarray(fast_ssim(*pair())), np.asarray(ssim(*pair())), rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of unknown batch are TensorFlow's")
def test_a_batch_of_unknown_size_is_left_to_the_graph():
    import tensorflow as tf

    shape = tf.TensorSpec((None, 32, 32, 1), "float32")
    np.testing.assert_allclose(
        tf.function(fast_ssim, input_signature=[shape, shape])(*pair()), np.asarray(ssim(*pair())), rtol=1e-5
    )
