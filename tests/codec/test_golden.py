"""What was frozen and written must be read for ever: models, tables and files kept as they were written then.

In ``golden`` lies what version 2 of the file format wrote, in ``golden/version_3`` what was written since; in
``golden/dead_zones`` are models frozen since each table has dead zones of its own.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasae.codec import Codec, Frozen, unpack
from kerasae.codec.freeze import freeze
from kerasae.codec.keras_network import KerasNetwork
from tests.codec.made_up import LAMBDAS, made_up_codec
from tests.conftest import smooth_images

GOLDEN = Path(__file__).parents[1] / "golden"
OLD = ("conv_autoencoder", "factorized_prior", "mean_scale_hyperprior")
OLDER = ("version_3/factorized_prior", "version_3/context_hyperprior")
NEW = ("version_3/conv_autoencoder", "dead_zones/factorized_prior", "dead_zones/context_hyperprior")


@pytest.fixture(params=[*OLD, *OLDER, *NEW])
def place(request):
    return GOLDEN / request.param


def write_golden(folder, kind):
    """Write what this version freezes and writes of a small model: python -c "…write_golden('dead_zones', '…')"."""
    codec = made_up_codec(kind)
    lambdas = LAMBDAS if codec.model.has_entropy_model else ()
    codec = Codec(codec.model, freeze(codec.network, smooth_images(60), lambdas=lambdas))
    place = codec.save(GOLDEN / folder / kind)
    images = [*smooth_images(3, seed=5), smooth_images(1, size=44, seed=5)[0]]
    latents = codec.network.encode(np.stack(images[:3]))
    steps = sorted({0, codec.frozen.default, len(codec.frozen.levels) - 1})
    files = {step: codec.encode(images, step=step) for step in steps}
    kept = {str(step): [file.hex() for file in some] for step, some in files.items()}
    (place / "files.json").write_text(json.dumps({"digest": codec.frozen.digest, "files": kept}))
    np.save(place / "latents.npy", latents)
    np.savez(place / "pixels.npz", **{str(step): np.stack(codec.decode(some[:3])) for step, some in files.items()})


def test_tables_keep_their_digest_and_latents_give_the_same_bytes(place):
    frozen, latents = Frozen.load(place / "codec.npz"), np.load(place / "latents.npy")
    kept = json.loads((place / "files.json").read_text())
    assert frozen.digest == kept["digest"]
    for step, files in kept["files"].items():
        payloads = frozen.compress(latents, step=int(step))
        packed = [frozen.complete(unpack(bytes.fromhex(file))) for file in files]
        assert [one.payload for one in packed[: len(latents)]] == payloads
        assert {one.fingerprint for one in packed} == {frozen.fingerprint}
        decoded = frozen.decompress(payloads, latents.shape[1:3], step=int(step))
        level = frozen.levels[int(step)]
        np.testing.assert_array_equal(decoded, level.dequantize(level.quantize(latents)))


def test_a_model_written_then_decodes_its_files_to_the_same_pixels(place, tmp_path):
    codec = Codec.load(place)
    kept = json.loads((place / "files.json").read_text())["files"]
    old = (place / "pixels.npy").is_file()
    pixels_of = np.load(place / "pixels.npy") if old else list(np.load(place / "pixels.npz").values())
    for files, pixels in zip(kept.values(), pixels_of, strict=True):
        decoded = codec.decode([bytes.fromhex(file) for file in files])
        assert np.abs(np.stack(decoded[: len(pixels)]).astype(int) - pixels).max() <= 1
        assert old or decoded[-1].shape == (44, 44, 1)
    again = Codec.load(codec.save(tmp_path / "copy"))
    assert again.frozen.digest == codec.frozen.digest
    image = smooth_images(1, size=40, seed=9)[0]
    assert again.encode(image) == codec.encode(image)


@pytest.mark.parametrize("kind", NEW)
def test_frozen_anew_a_model_has_the_same_tables_but_for_rounding(kind):
    codec = Codec.load(GOLDEN / kind)
    lambdas = LAMBDAS if codec.model.has_entropy_model else ()
    anew = freeze(KerasNetwork(codec.model), smooth_images(60), lambdas=lambdas)
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
            if not array.size:
                continue
            scale = 2**24 if name.endswith("frequencies") else np.abs(kept[name]).max() + 1
            assert np.abs(array.astype(float) - kept[name]).max() / scale < 2e-2, name
