"""Images ↔ files: what comes back, in how many bytes, at which step, quality or target."""

from dataclasses import replace

import numpy as np
import pytest

from kerasae.codec import Codec, Frozen, Packed, pack, pack_to_bytes, pack_to_psnr, unpack
from kerasae.codec.freeze import qualities_of
from kerasae.errors import CodecError
from tests.codec.made_up import KINDS, LEARNED, MIXED, briefly_trained, made_up_codec
from tests.conftest import smooth_images

NOISE = np.random.default_rng(0)
ALL = pytest.mark.parametrize("kind", LEARNED)
SHAPES = [(1, 1), (7, 90), (32, 32), (33, 31), (64, 40)]
ODD = {
    "black": np.zeros((20, 24, 1), np.uint8),
    "white": np.full((20, 24, 1), 255, np.uint8),
    "noise": NOISE.integers(0, 256, (40, 24, 1)).astype(np.uint8),
} | {f"{height}x{width}": NOISE.integers(0, 256, (height, width, 1)).astype(np.uint8) for height, width in SHAPES}


@pytest.fixture(params=KINDS)
def codec(request):
    return made_up_codec(request.param)


def reconstruction(codec, image, step):
    """What the network makes of quantized latents, without any bytes between."""
    level = codec.frozen.levels[step]
    latents = codec.network.encode(image[None])
    return codec.network.decode(level.dequantize(level.quantize(latents)), *image.shape[:2])[0]


@pytest.mark.parametrize("name", ODD)
def test_any_image_comes_back_as_the_network_sees_it(codec, name):
    for step in (0, len(codec.frozen.levels) - 1):
        data = codec.encode(ODD[name], step=step)
        decoded = codec.decode(data)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, reconstruction(codec, ODD[name], step))


def test_finer_steps_take_more_bytes_and_come_nearer_to_the_unquantized_image(codec):
    images = smooth_images(20, seed=5)
    latents = codec.network.encode(images)[..., : codec.network.channels]
    exact = codec.network.decode(latents, 32, 32).astype(float)
    levels = len(codec.frozen.levels)
    assert levels >= 4
    sizes, errors = [], []
    for step in (0, levels // 2, levels - 1):
        files = codec.encode(images, step=step)
        sizes.append(sum(map(len, files)))
        errors.append(((np.stack(codec.decode(files)) - exact) ** 2).mean())
    assert sizes[0] > sizes[1] > sizes[2]
    assert errors[0] < errors[1] < errors[2]


def test_real_bits_are_the_estimate_within_one_percent_and_the_header(codec):
    images = smooth_images(40, seed=8)
    step = codec.frozen.default
    estimate = codec.estimated_bits(images, step=step)
    payload = np.array([8 * len(packed.payload) for packed in codec.pack(images, step=step)])
    files = np.array([8 * len(file) for file in codec.encode(images, step=step)])
    assert payload.mean() <= 1.01 * estimate.mean() + 8
    assert files.mean() <= 1.01 * estimate.mean() + 8 * 16 + 8


def test_images_of_many_sizes_go_together_and_keep_their_order(codec):
    images = [ODD[name] for name in ("7x90", "32x32", "noise", "7x90")]
    together = codec.encode(images)
    assert together == [codec.encode(image) for image in images]
    for image, decoded in zip(images, codec.decode(together), strict=True):
        assert decoded.shape == image.shape


def test_batches_of_any_length_give_the_same_files():
    codec, images = made_up_codec("conv_autoencoder"), smooth_images(70)
    alone = [codec.encode(image) for image in images[:3]]
    together = codec.encode(images)
    assert len(together) == 70
    # The same image in a batch of another size may differ by float rounding, not by more than its latents' rounding.
    close = [np.abs(codec.decode(a).astype(int) - codec.decode(b)).max() for a, b in zip(alone, together, strict=False)]
    assert max(close) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_colour(kind):
    codec, images = made_up_codec(kind, 3), smooth_images(3, size=40, channels=3)
    decoded = codec.decode(codec.encode(images))
    assert [image.shape for image in decoded] == 3 * [(40, 40, 3)]
    assert unpack(codec.encode(images)[0]).channels == 3


def test_gray_images_may_come_without_an_axis_of_channels():
    codec = made_up_codec("conv_autoencoder")
    assert codec.encode(ODD["noise"][..., 0]) == codec.encode(ODD["noise"])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8, 1), np.float32),
        np.zeros((0, 8, 1), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_what_is_no_image_of_the_model_is_refused(image):
    with pytest.raises(CodecError, match=r"the model takes uint8 of shape \(height, width, 1\)"):
        made_up_codec("conv_autoencoder").encode(image)


def test_steps_that_are_not_there_are_refused(codec):
    with pytest.raises(CodecError, match="step 99 is out of range; the ladder goes from 0"):
        codec.encode(ODD["black"], step=99)


def test_files_of_other_models_are_refused():
    first, second = made_up_codec("conv_autoencoder"), made_up_codec("conv_autoencoder", seed=4)
    with pytest.raises(CodecError, match=f"written by the model {first.frozen.fingerprint[:2].hex()}, this one is"):
        second.decode(first.encode(ODD["noise"]))


def test_tables_of_other_weights_are_refused():
    first, second = made_up_codec("conv_autoencoder"), made_up_codec("conv_autoencoder", seed=4)
    with pytest.raises(CodecError, match="frozen for other weights"):
        Codec(second.model, first.frozen)


def test_what_is_frozen_is_saved_and_read_whole_or_not_at_all(codec, tmp_path):
    path = tmp_path / "codec.npz"
    codec.frozen.save(path)
    loaded = Frozen.load(path)
    for name in ("digest", "default", "psnr", "qualities", "geometry", "usual"):
        assert getattr(loaded, name) == getattr(codec.frozen, name)
    for ours, theirs in zip(loaded.levels, codec.frozen.levels, strict=True):
        found = ours.arrays() | ours.shared_arrays()
        for name, array in (theirs.arrays() | theirs.shared_arrays()).items():
            np.testing.assert_array_equal(found[name], array)
    assert Codec(codec.model, loaded).encode(ODD["noise"]) == codec.encode(ODD["noise"])
    whole = path.read_bytes()
    refused = 0
    for place in range(3, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            # A flip in a date of the zip container harms nothing.
            assert Frozen.load(path).digest == codec.frozen.digest
        except CodecError as error:
            refused += "kerasae freeze RUN --force" in str(error)
    assert refused > 20


def test_a_claim_of_many_pixels_is_refused_before_the_network_sees_it():
    codec = made_up_codec("conv_autoencoder")
    packed = codec.pack([ODD["noise"]], step=0)[0]
    claim = Packed(packed.fingerprint, 8192, 8192, 1, 0, packed.payload)
    with pytest.raises(CodecError, match="shorter than any image of its size"):
        codec.decode(pack(claim))
    as_usual = replace(packed, width=64, is_usual=True)
    with pytest.raises(CodecError, match="damaged, or of another model"):
        codec.decode(pack(as_usual))


def test_images_beyond_the_format_are_refused_before_the_network_sees_them():
    codec = made_up_codec("conv_autoencoder")
    with pytest.raises(CodecError, match="the image has 1×70000 pixels; the format holds"):
        codec.encode(np.zeros((1, 70_000, 1), np.uint8))


def test_thin_images_are_coded_in_batches_that_count_their_padding(monkeypatch):
    codec = made_up_codec("mlp_vae")
    seen = []
    encode = codec.network.encode
    monkeypatch.setattr(codec.network, "encode", lambda images: seen.append(len(images)) or encode(images))
    monkeypatch.setattr("kerasae.codec.codec._PIXELS_AT_ONCE", 5 * 32 * 32)
    thin = [np.full((3, 1, 1), shade, np.uint8) for shade in range(12)]
    assert len(codec.encode(thin)) == 12
    assert seen == [5, 5, 2]


def test_a_payload_that_no_image_has_is_refused(codec):
    packed = codec.pack([ODD["noise"]], step=0)[0]
    for payload in (packed.payload + b"\1", packed.payload + b"\0\0\1"):
        with pytest.raises(CodecError, match=r"no image that this model could have written|does not decode"):
            codec.integers(replace(packed, payload=payload))


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


def test_a_model_that_was_trained_for_none_has_whole_qualities_down_to_1():
    codec = made_up_codec("conv_autoencoder")
    count = len(codec.frozen.levels)
    assert codec.frozen.qualities == tuple(range(count, 0, -1))
    sizes = [len(codec.encode(MIXED[0], quality=quality)) for quality in (1, count)]
    assert sizes[0] < sizes[1]
    assert codec.encode(MIXED[0], quality=count) == codec.encode(MIXED[0], step=0)


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
        CodecError, match=rf"image 1 takes more than {few} bytes even at the lowest quality, [\d,]+; allow it more"
    ):
        pack_to_bytes(codec, images, few)
    with pytest.raises(CodecError, match="second takes more than"):
        pack_to_bytes(codec, images, few, ["first", "second"])
    with pytest.raises(CodecError, match=r"image \d stays below 99 dB even at the highest quality; ask for less"):
        pack_to_psnr(codec, images, 99)
    with pytest.raises(CodecError, match=r"(first|second) stays below 99 dB"):
        pack_to_psnr(codec, images, 99, ["first", "second"])


# === Effort ===


def costs(codec, images, step, effort):
    """Return bits + λ · squared error of each image, as its file has it."""
    packed = codec.pack(images, step=step, effort=effort)
    errors = [((a.astype(float) - b) ** 2).sum() for a, b in zip(codec.unpack(packed), images, strict=True)]
    bits = [8 * len(one.payload) for one in packed]
    weight = codec.model.lambdas[round(codec.frozen.qualities[step]) - 1]
    return np.array(bits) + weight * np.array(errors)


@pytest.mark.parametrize("kind", ["factorized_prior", "mean_scale_hyperprior", "context_hyperprior"])
def test_effort_makes_files_cheaper_that_any_decoder_reads(kind):
    codec, _, _ = briefly_trained(kind)
    images = list(smooth_images(9, seed=31))
    for step in (0, len(codec.frozen.levels) - 1):
        before, after = (costs(codec, images, step, effort) for effort in (0, 1))
        # What a byte string ends with is rounded to whole bytes.
        assert (after <= before + 16).all()
        assert after.sum() < 0.998 * before.sum()
    image = images[0]
    data = codec.encode(image, effort=1)
    assert data == codec.encode(image, effort=1)
    assert codec.decode(data).shape == image.shape
    odd = image[:30, :21]
    assert codec.decode(codec.encode(odd, effort=1)).shape == odd.shape


def test_effort_keeps_to_targets():
    codec, _, _ = briefly_trained("factorized_prior")
    images = list(smooth_images(4, seed=31))
    most = int(np.median([len(data) for data in codec.encode(images)]))
    for one in pack_to_bytes(codec, images, most, effort=1):
        assert len(pack(one)) <= most
    plain, refined = (
        sum(len(one.payload) for one in pack_to_psnr(codec, images, 24, effort=effort)) for effort in (0, 1)
    )
    # Qualities come in steps, and so do bytes.
    assert refined <= plain + 0.02 * plain


def test_effort_is_for_learned_codecs():
    with pytest.raises(CodecError, match=r"effort 1 improves the files of learned codecs; .* leave it at 0"):
        made_up_codec("conv_autoencoder").encode(ODD["black"], effort=1)
    with pytest.raises(CodecError, match="effort 3 is not one; there are 0, 1, 2"):
        made_up_codec("factorized_prior").encode(ODD["black"], effort=3)
