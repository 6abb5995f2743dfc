"""What is frozen of learned codecs: qualities, the price of errors, rates."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from keras import ops

from kerasae.codec import Codec, Frozen
from kerasae.codec.codec import pack_to_psnr
from kerasae.codec.freeze import freeze, freeze_run, qualities_of, squared_errors
from kerasae.codec.keras_network import KerasNetwork
from kerasae.errors import CodecError
from kerasae.models import build_model
from kerasae.training.run import load_run
from tests.codec.made_up import LAMBDAS, LEARNED, MIXED, briefly_trained, made_up_codec, recipe_of
from tests.conftest import smooth_images

ALL = pytest.mark.parametrize("kind", LEARNED)
# What the scale hyperprior does after training, the one with means does too.
TRAINED = pytest.mark.parametrize("kind", ["factorized_prior", "mean_scale_hyperprior"])


def test_qualities_come_in_quarters_the_highest_first():
    assert qualities_of(1) == (1.0,)
    assert qualities_of(3) == (3.0, 2.75, 2.5, 2.25, 2.0, 1.75, 1.5, 1.25, 1.0)
    assert len(qualities_of(8)) == 29


def test_a_level_is_what_the_bottleneck_does_at_its_quality():
    codec = made_up_codec("factorized_prior")
    model, images = codec.model, smooth_images(10, seed=9)
    latents = codec.network.encode(images)
    plain = freeze(codec.network, smooth_images(60))
    for step, quality in enumerate(codec.frozen.qualities):
        quantizer = plain.levels[step].quantizer
        steps, corrections = model.bottleneck.gains.steps(quality)
        np.testing.assert_allclose(quantizer.steps, steps, rtol=1e-6)
        np.testing.assert_allclose(quantizer.corrections, corrections, rtol=1e-6)
        np.testing.assert_allclose(quantizer.offsets, model.bottleneck.density_medians(), rtol=1e-6)
        rounded = ops.convert_to_numpy(
            model.encode(images.astype("float32") / 255, quality=np.full(10, quality, "float32"))
        )
        integers = plain.levels[step].quantize(latents).integers
        middles = (integers * quantizer.steps + quantizer.offsets) * quantizer.corrections
        # A latent on the border between two integers may fall to either side.
        assert np.isclose(middles, rounded, rtol=1e-4, atol=1e-4).mean() > 0.998


@ALL
def test_the_price_of_errors_is_the_one_that_costs_least_and_none_without_lambdas(kind):
    codec, images = made_up_codec(kind), smooth_images(60)
    plain = freeze(codec.network, images)
    latents = codec.network.encode(images)

    def cost(level, weight):
        quantized = level.quantize(latents)
        errors = squared_errors(codec.network, level.dequantize(quantized), images).mean()
        return np.log(level.estimated_bits(quantized).mean() / 32**2 + weight * 255**2 * errors)

    def costs(frozen):
        # Chosen at whole qualities.
        return np.mean([cost(level, weight) for level, weight in zip(frozen.levels[::4], LAMBDAS[::-1], strict=True)])

    assert costs(codec.frozen) <= costs(plain) + 1e-9
    assert kind != "factorized_prior" or costs(codec.frozen) < costs(plain)
    zones = [getattr(level, "quantizer", level).dead_zone for level in plain.levels]
    assert not any(zone is not None and zone.any() for zone in zones)


def test_who_comes_second_takes_the_tables_of_the_first(trained, monkeypatch):
    run = load_run("latest", trained[0])
    first_is_at_it, calls = threading.Event(), []

    def slowly(*args, **options):
        calls.append(threading.current_thread().name)
        first_is_at_it.set()
        time.sleep(0.5)  # in which the other comes and finds the lock held
        return freeze(*args, **options)

    monkeypatch.setattr("kerasae.codec.freeze.freeze", slowly)
    (run.folder / "codec.npz").unlink(missing_ok=True)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(freeze_run, run)
        assert first_is_at_it.wait(60)
        # The lock is one of an open file, so that two threads are to it what two processes are.
        second = pool.submit(freeze_run, run)
        assert first.result().digest == second.result().digest
    assert len(calls) == 1


def test_tables_of_an_older_format_are_refused(tmp_path):
    made_up_codec("conv_autoencoder").frozen.save(tmp_path / "codec.npz")
    content = dict(np.load(tmp_path / "codec.npz"))
    np.savez(tmp_path / "codec.npz", **content | {"format": 1})
    with pytest.raises(CodecError, match=r"is of format 1, this kerasae reads 2; freeze the run again"):
        Frozen.load(tmp_path / "codec.npz")


@ALL
def test_one_level_is_one_step(kind):
    recipe = recipe_of(kind, lambdas=[0.01])
    model = build_model(recipe)
    codec = Codec(model, freeze(KerasNetwork(model), smooth_images(20), lambdas=(0.01,)))
    assert codec.frozen.qualities == (1.0,)
    assert codec.encode(MIXED[0], quality=1) == codec.encode(MIXED[0], step=0)
    assert pack_to_psnr(codec, MIXED[:1], 0)[0].step == 0


@TRAINED
def test_training_bits_are_no_fewer_than_those_of_the_frozen_tables(kind):
    codec, trainer, images = briefly_trained(kind)
    bottleneck = trainer.autoencoder.bottleneck
    latents = codec.network.encode(images)
    encoded = latents[..., : codec.network.channels]
    for quality in (1.0, 2.0, 2.5, 3.0):
        at = np.full(len(images), quality, "float32")
        _, rate = bottleneck(ops.convert_to_tensor(encoded), training=True, quality=at)
        noisy = ops.convert_to_numpy(rate).mean() / np.log(2)
        level = codec.frozen.levels[codec.step_of(quality)]
        estimate = level.estimated_bits(level.quantize(latents)).mean()
        # Rounded without a dead zone, under the density itself: what training said it would cost.
        rounded = ops.convert_to_numpy(bottleneck(ops.convert_to_tensor(encoded), quality=at)[1]).mean() / np.log(2)
        assert noisy >= 0.995 * estimate
        assert estimate >= 0.6 * rounded
        if kind == "factorized_prior":
            assert noisy == pytest.approx(rounded, rel=0.2)


@TRAINED
def test_real_bits_are_the_estimate_within_one_percent(kind):
    codec, *_ = briefly_trained(kind)
    images = smooth_images(12, size=192, seed=22)
    for quality in (1.0, 2.0, 3.0):
        estimate = codec.estimated_bits(images, step=codec.step_of(quality)).sum()
        packed = codec.pack(images, step=codec.step_of(quality))
        assert 8 * sum(len(one.payload) for one in packed) == pytest.approx(estimate, rel=0.01)


@TRAINED
def test_training_gives_a_curve_bits_and_psnr_fall_together(kind):
    codec, *_ = briefly_trained(kind)
    images = smooth_images(40, seed=23)
    points = []
    for step in (0, 4, 8):
        files = codec.encode(images, step=step)
        decoded = np.stack(codec.decode(files))
        points.append((sum(map(len, files)), ((decoded.astype(float) - images) ** 2).mean()))
    assert points[0][0] > points[1][0] > points[2][0]
    assert points[0][1] < points[1][1] < points[2][1]
    assert list(codec.frozen.psnr) == sorted(codec.frozen.psnr, reverse=True)
