"""Qualities, targets and rates of frozen learned codecs."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.codec import Codec, Frozen, pack, unpack
from kerasae.codec.codec import pack_to_bytes, pack_to_psnr
from kerasae.codec.freeze import DEAD_ZONES, freeze, lambda_at, qualities_of, squared_errors
from kerasae.codec.network import Network
from kerasae.errors import CodecError
from kerasae.models import build_model
from kerasae.recipes import recipe_from
from kerasae.training import build_trainer
from tests.codec.made_up import KINDS, LAMBDAS, LEARNED, made_up_codec
from tests.conftest import smooth_images

ALL = pytest.mark.parametrize("kind", LEARNED)
WITHOUT_SIDE = pytest.mark.parametrize("kind", ["factorized_prior"])
MIXED = [*smooth_images(5, seed=7), *smooth_images(2, size=44, seed=8), smooth_images(1)[0][:9, :20]]


def test_qualities_come_in_quarters_the_highest_first():
    assert qualities_of(1) == (1.0,)
    assert qualities_of(3) == (3.0, 2.75, 2.5, 2.25, 2.0, 1.75, 1.5, 1.25, 1.0)
    assert len(qualities_of(8)) == 29


def test_lambda_between_two_levels_is_their_geometric_mean():
    assert lambda_at((), 2.0) is None
    assert lambda_at((0.01, 0.04), 1.0) == pytest.approx(0.01)
    assert lambda_at((0.01, 0.04), 1.5) == pytest.approx(0.02)
    assert lambda_at((0.01, 0.04), 2.0) == pytest.approx(0.04)


@ALL
def test_each_step_has_its_quality_and_each_quality_the_nearest_step(kind):
    codec = made_up_codec(kind)
    qualities = codec.frozen.qualities
    assert qualities == qualities_of(3)
    assert [codec.step_of(quality) for quality in qualities] == list(range(9))
    assert [codec.step_of(quality) for quality in (2.9, 2.6, 2.1, 1.1, 1.13)] == [0, 2, 4, 8, 7]
    assert qualities[codec.frozen.default] == 2.0
    image = MIXED[0]
    assert codec.encode(image, quality=2.5) == codec.encode(image, step=2)
    assert codec.encode(image) == codec.encode(image, quality=2)
    assert unpack(codec.encode(image, quality=1)).step == 8


@ALL
@pytest.mark.parametrize("quality", [0.9, 3.1, 0, -1, float("nan"), float("inf")])
def test_a_quality_that_is_not_there_is_refused(kind, quality):
    with pytest.raises(CodecError, match=r"quality .* is out of range; .* has qualities from 1 \(fewest bits\) to 3"):
        made_up_codec(kind).encode(MIXED[0], quality=quality)


def test_a_model_without_qualities_says_what_it_has():
    codec = made_up_codec("conv_autoencoder")
    with pytest.raises(
        CodecError, match=r"was not trained for qualities, it has steps from 0 \(finest\) to \d+; pass step"
    ):
        codec.encode(MIXED[0], quality=1)


@ALL
def test_step_and_quality_together_are_refused(kind):
    with pytest.raises(CodecError, match="step = 3 and quality = 2 each decide the step; pass one of them"):
        made_up_codec(kind).encode(MIXED[0], step=3, quality=2)


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_may_have_a_step_of_its_own(kind):
    codec = made_up_codec(kind)
    steps = [0, 3, 1, 0, 3, 2, 1, 0]
    together = codec.pack(MIXED, step=steps)
    assert [one.step for one in together] == steps
    alone = [codec.encode(image, step=step) for image, step in zip(MIXED, steps, strict=True)]
    for file, decoded in zip(alone, codec.unpack(together), strict=True):
        np.testing.assert_allclose(decoded, codec.decode(file).astype(int), atol=2)
    with pytest.raises(CodecError, match="2 steps arrived for 8 images; give one for all or one for each"):
        codec.pack(MIXED, step=[0, 1])
    with pytest.raises(CodecError, match="step 99 is out of range"):
        codec.pack(MIXED[:2], step=[0, 99])


@pytest.mark.parametrize("kind", ["conv_autoencoder", *LEARNED])
def test_a_target_of_bytes_is_kept_and_the_next_finer_step_is_larger(kind):
    codec = made_up_codec(kind)
    sizes = np.array(
        [[len(file) for file in codec.encode(MIXED, step=step)] for step in range(len(codec.frozen.levels))]
    )
    most = int(sizes[-1].max()) + 12
    steps = set()
    for image, packed in zip(MIXED, pack_to_bytes(codec, MIXED, most), strict=True):
        assert len(pack(packed)) <= most
        if packed.step:
            assert len(codec.encode(image, step=packed.step - 1)) > most
        steps.add(packed.step)
    assert len(steps) > 1
    assert {packed.step for packed in pack_to_bytes(codec, MIXED, 10**6)} == {0}


def psnr(image, decoded):
    return -10 * np.log10(((image.astype(float) - decoded) ** 2).mean() / 255**2)


@pytest.mark.parametrize("kind", ["conv_autoencoder", *LEARNED])
def test_a_target_of_psnr_is_reached_and_the_next_coarser_step_is_worse(kind):
    codec = made_up_codec(kind) if kind not in LEARNED else briefly_trained()[0]
    last = len(codec.frozen.levels) - 1
    ends = [
        [psnr(a, b) for a, b in zip(MIXED, codec.decode(codec.encode(MIXED, step=step)), strict=True)]
        for step in (0, last)
    ]
    least = min(ends[0]) - 0.3 * max(0.1, min(ends[0]) - min(ends[1]))
    found = pack_to_psnr(codec, MIXED, least)
    for image, packed, decoded in zip(MIXED, found, codec.unpack(found), strict=True):
        assert psnr(image, decoded) >= least
        if packed.step < last:
            assert psnr(image, codec.decode(codec.encode(image, step=packed.step + 1))) < least
    assert len({packed.step for packed in found}) > 1
    assert {packed.step for packed in pack_to_psnr(codec, MIXED, 0)} == {last}


@ALL
def test_gray_images_without_an_axis_of_channels_have_targets_too(kind):
    codec = made_up_codec(kind)
    images = [image[..., 0] for image in MIXED]
    for search, target in ((pack_to_psnr, 1.0), (pack_to_bytes, 2000)):
        flat, plain = search(codec, images, target), search(codec, MIXED, target)
        assert [pack(one) for one in flat] == [pack(one) for one in plain]


@ALL
def test_targets_out_of_reach_name_the_image(kind):
    codec = made_up_codec(kind)
    images = [np.full((8, 8, 1), 128, np.uint8), MIXED[0]]
    few = len(codec.encode(images[0], step=8))
    assert len(codec.encode(images[1], step=8)) > few
    with pytest.raises(
        CodecError, match=f"image 1 takes more than {few} bytes even at the coarsest step; allow it more"
    ):
        pack_to_bytes(codec, images, few)
    with pytest.raises(CodecError, match="second takes more than"):
        pack_to_bytes(codec, images, few, ["first", "second"])
    with pytest.raises(CodecError, match=r"image \d stays below 99 dB even at the finest step; ask for less"):
        pack_to_psnr(codec, images, 99)
    with pytest.raises(CodecError, match=r"(first|second) stays below 99 dB"):
        pack_to_psnr(codec, images, 99, ["first", "second"])


@WITHOUT_SIDE
def test_a_level_is_what_the_bottleneck_does_at_its_quality(kind):
    codec = made_up_codec(kind)
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
        integers = plain.levels[step].quantize(latents)
        middles = (integers * quantizer.steps + quantizer.offsets) * quantizer.corrections
        # A latent on the border between two integers may fall to either side.
        assert np.isclose(middles, rounded, rtol=1e-4, atol=1e-4).mean() > 0.998


def zone_of(level):
    return level.dead_zone if hasattr(level, "dead_zone") else level.quantizer.dead_zone


@ALL
def test_the_dead_zone_is_the_one_that_costs_least_and_none_without_lambdas(kind):
    codec, images = made_up_codec(kind), smooth_images(60)
    plain = freeze(codec.network, images)
    assert {zone_of(level) for level in plain.levels} == {0.0}
    chosen = [zone_of(level) for level in codec.frozen.levels]
    assert all(any(zone == pytest.approx(one) for one in DEAD_ZONES) for zone in chosen)
    assert max(chosen) > 0
    latents = codec.network.encode(images)

    def cost(level, quality):
        integers = level.quantize(latents)
        errors = squared_errors(codec.network, level.dequantize(integers), images).mean()
        return level.estimated_bits(integers).mean() / 32**2 + lambda_at(LAMBDAS, quality) * 255**2 * errors

    # Chosen at whole qualities; of a hyperprior with tables that know of no dead zone yet, and so not to the last bit.
    slack = 1e-6 if kind == "factorized_prior" else 0.01
    for ours, theirs, quality in list(zip(codec.frozen.levels, plain.levels, codec.frozen.qualities, strict=True))[::4]:
        assert cost(ours, quality) <= cost(theirs, quality) * (1 + slack)


@ALL
def test_what_is_frozen_keeps_its_qualities_and_all_that_decides(kind, tmp_path):
    codec = made_up_codec(kind)
    codec.frozen.save(tmp_path / "codec.npz")
    loaded = Frozen.load(tmp_path / "codec.npz")
    assert loaded.qualities == codec.frozen.qualities
    assert (loaded.default, loaded.digest, loaded.psnr) == (
        codec.frozen.default,
        codec.frozen.digest,
        codec.frozen.psnr,
    )
    for ours, theirs in zip(loaded.levels, codec.frozen.levels, strict=True):
        assert zone_of(ours) == pytest.approx(zone_of(theirs))
        found = ours.arrays() | ours.shared_arrays()
        for name, array in (theirs.arrays() | theirs.shared_arrays()).items():
            np.testing.assert_array_equal(found[name], array)
    assert Codec(codec.model, loaded).encode(MIXED, quality=1.5) == codec.encode(MIXED, quality=1.5)


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
    codec = Codec(model, freeze(Network(model), smooth_images(20), lambdas=(0.01,)))
    assert codec.frozen.qualities == (1.0,)
    assert codec.encode(MIXED[0], quality=1) == codec.encode(MIXED[0], step=0)
    assert pack_to_psnr(codec, MIXED[:1], 0)[0].step == 0


def recipe_of(kind, **objective):
    return recipe_from(
        {
            "model": {"kind": kind, "widths": [8, 16], "latent_channels": 6},
            "data": {"image_size": 32},
            "objective": objective,
            "training": {"learning_rate": 3e-3},
        },
        name=kind,
        origin="here",
    )


@cache
def briefly_trained(kind="factorized_prior"):
    """Return a codec after some hundred steps, its trainer and its training images."""
    images = smooth_images(200, seed=21)
    keras.utils.set_random_seed(0)
    trainer = build_trainer(recipe_of(kind, lambdas=LAMBDAS), steps_per_epoch=25)
    trainer.fit(images, batch_size=8, epochs=6, verbose=0)
    trainer.autoencoder.finalize()
    codec = Codec(trainer.autoencoder, freeze(Network(trainer.autoencoder), images, lambdas=LAMBDAS))
    return codec, trainer, images


@ALL
def test_training_bits_are_no_fewer_than_those_of_the_frozen_tables(kind):
    codec, trainer, images = briefly_trained(kind)
    bottleneck = trainer.autoencoder.bottleneck
    latents = codec.network.encode(images)
    encoded = latents[..., : codec.network.channels]
    for quality in (1.0, 2.0, 2.5, 3.0):
        at = np.full(len(images), quality, "float32")
        _, rate = bottleneck(ops.convert_to_tensor(encoded), sample=True, quality=at)
        noisy = ops.convert_to_numpy(rate).mean() / np.log(2)
        level = codec.frozen.levels[codec.step_of(quality)]
        estimate = level.estimated_bits(level.quantize(latents)).mean()
        # Rounded without a dead zone, under the density itself: what training said it would cost.
        rounded = ops.convert_to_numpy(bottleneck(ops.convert_to_tensor(encoded), quality=at)[1]).mean() / np.log(2)
        assert noisy >= 0.995 * estimate
        assert estimate >= 0.6 * rounded
        if kind == "factorized_prior":
            assert noisy == pytest.approx(rounded, rel=0.2)


@ALL
def test_real_bits_are_the_estimate_within_one_percent(kind):
    codec, *_ = briefly_trained(kind)
    images = smooth_images(12, size=192, seed=22)
    for quality in (1.0, 2.0, 3.0):
        estimate = codec.estimated_bits(images, step=codec.step_of(quality)).sum()
        packed = codec.pack(images, step=codec.step_of(quality))
        assert 8 * sum(len(one.payload) for one in packed) == pytest.approx(estimate, rel=0.01)


@ALL
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
