"""What kerasae 1 froze and wrote must be read for ever: models, tables and files kept as they were written then."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasae.codec import Codec, Frozen, unpack
from kerasae.codec.freeze import freeze
from kerasae.codec.network import Network
from tests.conftest import smooth_images

GOLDEN = Path(__file__).parents[1] / "golden"
LAMBDAS = (0.01, 0.05)
KINDS = ("conv_autoencoder", "factorized_prior", "mean_scale_hyperprior")


@pytest.fixture(params=KINDS)
def place(request):
    return GOLDEN / request.param


def test_tables_keep_their_digest_and_latents_give_the_same_bytes(place):
    frozen, latents = Frozen.load(place / "codec.npz"), np.load(place / "latents.npy")
    kept = json.loads((place / "files.json").read_text())
    assert frozen.digest == kept["digest"]
    for step, files in kept["files"].items():
        payloads = frozen.compress(latents, step=int(step))
        packed = [unpack(bytes.fromhex(file)) for file in files]
        assert [one.payload for one in packed] == payloads
        assert {one.fingerprint for one in packed} == {frozen.fingerprint}
        decoded = frozen.decompress(payloads, latents.shape[1:3], step=int(step))
        level = frozen.levels[int(step)]
        np.testing.assert_array_equal(decoded, level.dequantize(level.quantize(latents)))


def test_a_model_written_then_decodes_its_files_to_the_same_pixels(place, tmp_path):
    codec = Codec.load(place)
    kept = json.loads((place / "files.json").read_text())["files"]
    for files, pixels in zip(kept.values(), np.load(place / "pixels.npy"), strict=True):
        decoded = np.stack(codec.decode([bytes.fromhex(file) for file in files]))
        assert np.abs(decoded.astype(int) - pixels).max() <= 1
    again = Codec.load(codec.save(tmp_path / "copy"))
    assert again.frozen.digest == codec.frozen.digest
    image = smooth_images(1, size=40, seed=9)[0]
    assert again.encode(image) == codec.encode(image)


def test_frozen_anew_a_model_has_the_same_tables_but_for_rounding(place):
    codec = Codec.load(place)
    lambdas = LAMBDAS if codec.model.has_entropy_model else ()
    anew = freeze(Network(codec.model), smooth_images(60), lambdas=lambdas)
    assert (anew.default, anew.weights, anew.qualities) == (
        codec.frozen.default,
        codec.frozen.weights,
        codec.frozen.qualities,
    )
    np.testing.assert_allclose(anew.psnr, codec.frozen.psnr, atol=0.02)
    np.testing.assert_allclose(anew.bits_per_pixel, codec.frozen.bits_per_pixel, rtol=0.01)
    for ours, theirs in zip(anew.levels, codec.frozen.levels, strict=True):
        found, kept = (level.arrays() | level.shared_arrays() for level in (ours, theirs))
        assert list(found) == list(kept)
        for name, array in found.items():
            assert array.shape == kept[name].shape
            # Latents on the border between two integers may fall to either side on another backend.
            scale = 2**24 if name.endswith("frequencies") else np.abs(kept[name]).max() + 1
            assert np.abs(array.astype(float) - kept[name]).max() / scale < 2e-2, name
