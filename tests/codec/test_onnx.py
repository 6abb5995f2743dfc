"""The networks in ONNX Runtime: the same symbols and pictures as in Keras, without Keras."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasae.codec import Codec, unpack
from kerasae.codec import network as network_module
from kerasae.codec.keras_network import KerasNetwork
from kerasae.codec.network import DECODER, ENCODER, OnnxNetwork
from kerasae.codec.onnx_graph import export, write_network
from kerasae.errors import CodecError
from kerasae.models import Autoencoder
from tests.codec.made_up import KINDS, made_up_codec
from tests.conftest import smooth_images

SIZES = ((32, 32), (47, 70), (1, 1))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return kind → a codec, and the same loaded again from the folder that it was saved in."""
    found = {}

    def of(kind):
        if kind not in found:
            codec = made_up_codec(kind)
            found[kind] = codec, Codec.load(codec.save(tmp_path_factory.mktemp(kind)))
        return found[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_either_form_decode_to_equal_symbols_and_nearly_equal_pixels(kind, saved):
    ours, loaded = saved(kind)
    assert isinstance(ours.network, KerasNetwork)
    assert isinstance(loaded.network, OnnxNetwork)
    for height, width in SIZES:
        image = smooth_images(1, size=96)[0, :height, :width]
        latents = ours.network.encode(image[None])
        scale = np.abs(latents).max()
        np.testing.assert_allclose(loaded.network.encode(image[None]), latents, rtol=1e-4, atol=1e-5 * scale)
        for data in (ours.encode(image), loaded.encode(image)):
            np.testing.assert_array_equal(ours.integers(unpack(data)), loaded.integers(unpack(data)))
            difference = ours.decode(data).astype(int) - loaded.decode(data)
            assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", ["conv_autoencoder", "context_hyperprior"])
def test_colour_and_halved_weights(kind, tmp_path):
    codec = made_up_codec(kind, channels=3)
    images = smooth_images(2, channels=3)
    for half in (False, True):
        (tmp_path / f"{half}").mkdir()
        write_network(codec.network, tmp_path / f"{half}", tmp_path / "model.keras", codec.frozen.weights, half=half)
    whole, halved = (
        OnnxNetwork.load(tmp_path / f"{half}", codec.frozen.weights, tmp_path / "none") for half in (False, True)
    )
    latents = codec.network.encode(images)
    np.testing.assert_allclose(whole.encode(images), latents, rtol=1e-4, atol=1e-5 * np.abs(latents).max())
    # float16 has 11 bits: 2^-11 of each product, and sums of many are better than that.
    np.testing.assert_allclose(halved.encode(images), latents, rtol=0, atol=2**-9 * np.abs(latents).max())
    assert len(halved._files[1]) < 0.6 * len(whole._files[1]) or len(whole._files[1]) < 20_000


@pytest.mark.parametrize("kind", ["conv_autoencoder", "factorized_prior", "context_hyperprior"])
def test_a_large_image_in_parts_is_what_it_is_in_one_piece(kind, saved, monkeypatch):
    _, loaded = saved(kind)
    network = loaded.network
    image = np.random.default_rng(0).integers(0, 256, (1, 330, 260, 1), np.uint8)
    latents = network.encode(image)
    own = latents[..., : network.channels]
    whole = network.reconstruct(own, 330, 260)
    seen = []
    encoder = type(network).encoder
    monkeypatch.setattr(network_module, "_SIDE_OF_A_SQUARE", 64)
    monkeypatch.setattr(
        type(network),
        "encoder",
        lambda self, *size: lambda images: seen.append(images.shape[1:3]) or encoder(self, *size)(images),
    )
    np.testing.assert_allclose(network.encode(image), latents, rtol=0, atol=1e-5 * np.abs(latents).max())
    assert len(seen) >= 20
    assert max(max(sides) for sides in seen) < 260
    np.testing.assert_allclose(network.reconstruct(own, 330, 260), whole, rtol=0, atol=1e-5 * np.abs(whole).max())
    # No farther than it must be: with less around a square, something changes.
    monkeypatch.setattr(network, "reach", (0, 0))
    assert np.abs(network.encode(image) - latents).max() > 1e-3 * np.abs(latents).max()


def test_a_saved_codec_still_has_its_model_and_effort(saved):
    ours, loaded = saved("context_hyperprior")
    image = smooth_images(1)[0]
    loaded.encode(image)
    assert "model" not in vars(loaded)
    assert loaded.encode(image, effort=1) == ours.encode(image, effort=1)
    assert isinstance(loaded.model, keras.Model)


def with_layer(layer):
    images, latents = keras.Input((16, 16, 1)), keras.Input((8, 8, 2))
    encoder = keras.Model(images, layer(keras.layers.Conv2D(2, 3, strides=2, padding="same")(images)))
    decoder = keras.Model(latents, keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same")(latents))
    return Autoencoder(encoder, decoder, name="own")


def test_sequential_networks_of_ones_own(tmp_path):
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((16, 16, 1)), layers.Conv2D(4, 3, 2, "same", activation="gelu")])
    decoder = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2DTranspose(1, 3, 2, "same")])
    codec = Codec.from_model(Autoencoder(encoder, decoder, name="own"), smooth_images(20, size=16))
    loaded = Codec.load(codec.save(tmp_path))
    assert isinstance(loaded.network, OnnxNetwork)
    images = smooth_images(3, size=16)
    latents = codec.network.encode(images)
    np.testing.assert_allclose(loaded.network.encode(images), latents, rtol=1e-4, atol=1e-5)
    found, expected = (one.network.reconstruct(latents, 16, 16) for one in (loaded, codec))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.LayerNormalization(name="norm"), "no counterpart is known of its layer norm, a Layer"),
        (
            keras.layers.Conv2D(2, 3, padding="same", dilation_rate=2, name="far"),
            "far cannot be written as ONNX: its",
        ),
        (keras.layers.Activation("selu"), "the activation selu cannot be written as ONNX; linear, relu, sigmoid"),
    ],
)
def test_what_onnx_does_not_know_stays_with_keras(layer, message, tmp_path):
    codec = Codec.from_model(with_layer(layer), smooth_images(20, size=16))
    with pytest.raises(CodecError, match=message):
        write_network(codec.network, tmp_path, tmp_path / "model.keras", codec.frozen.weights)
    loaded = Codec.load(codec.save(tmp_path / "saved"))
    assert isinstance(loaded.network, KerasNetwork)
    assert not (tmp_path / "saved" / ENCODER).exists()
    image = smooth_images(1, size=16)[0]
    assert loaded.encode(image) == codec.encode(image)


def test_networks_of_another_model_are_not_used(tmp_path):
    codec = made_up_codec("conv_autoencoder")
    codec.save(tmp_path)
    (tmp_path / DECODER).unlink()
    assert isinstance(Codec.load(tmp_path).network, KerasNetwork)
    codec.save(tmp_path)
    codec.model.set_weights([weight + 1 for weight in codec.model.get_weights()])
    codec.model.save(tmp_path / "model.keras")
    with pytest.raises(CodecError, match="the tables of conv_autoencoder were frozen for other weights"):
        Codec.load(tmp_path)


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_a_damaged_network_is_a_sentence(name, tmp_path):
    made_up_codec("mlp_vae").save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    with pytest.raises(CodecError, match=r"encoder.onnx or decoder.onnx cannot be read \(.*kerasae freeze RUN --force"):
        Codec.load(tmp_path).encode(smooth_images(1)[0])


# What a decoder in another place needs; lazy_loader is what `import kerasae` itself asks for.
FEW = ("numpy", "constriction", "onnxruntime", "lazy_loader")


def test_a_file_is_decoded_with_next_to_nothing_installed(saved, tmp_path):
    ours, _ = saved("context_hyperprior")
    image = smooth_images(1)[0]
    (tmp_path / "image.kae").write_bytes(ours.encode(image))
    export(ours, tmp_path / "codec")
    script = f"""
import importlib.machinery, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        installed = spec is not None and "site-packages" in str(spec.origin)
        if installed and top not in {FEW!r}:
            raise ImportError(top + " is not installed")
        return None

sys.meta_path.insert(0, Refusing())
import numpy as np
from kerasae.codec import Codec
codec = Codec.load({str(tmp_path / "codec")!r})
data = open({str(tmp_path / "image.kae")!r}, "rb").read()
np.save({str(tmp_path / "decoded.npy")!r}, codec.decode(data))
assert codec.encode(codec.decode(data))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    decoded = np.load(tmp_path / "decoded.npy").astype(int)
    assert np.abs(decoded - ours.decode(ours.encode(image))).max() <= 1


def test_what_is_exported_says_what_goes_in_and_out(saved, tmp_path):
    ours, _ = saved("context_hyperprior")
    folder = export(ours, tmp_path / "exported")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "codec.npz", "decoder.onnx", "encoder.onnx"]
    said = (folder / "README.md").read_text(encoding="utf-8")
    assert "| encoder takes | `images` | uint8 | (batch, height, width, 1) | 0 to 255 |" in said
    assert "| decoder takes | `latents` | float32 | (batch, rows, columns, 7) | |" in said
    assert f"Sides of images are multiples of {ours.model.stride}" in said
    import onnx

    encoder = onnx.load(folder / "encoder.onnx")
    onnx.checker.check_model(encoder)
    assert [output.name for output in encoder.graph.output] == ["latents", "hyper_latents"]
    loaded = Codec.load(folder)
    image = smooth_images(1)[0]
    assert np.abs(loaded.decode(ours.encode(image)).astype(int) - ours.decode(ours.encode(image))).max() <= 1
    with pytest.raises(CodecError, match="is not there: an exported codec compresses and decompresses"):
        loaded.encode(image, effort=1)
    with pytest.raises(CodecError, match="format 'png' is not one; there are onnx, saved_model, litert, openvino"):
        export(ours, tmp_path / "other", "png")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras writes SavedModels on TensorFlow")
@pytest.mark.parametrize("kind", ["mlp_vae", "context_hyperprior"])
def test_a_saved_model_of_each_half(kind, saved, tmp_path):
    import tensorflow as tf

    ours, _ = saved(kind)
    folder = export(ours, tmp_path / "exported", "saved_model")
    images = smooth_images(2)
    encoder, decoder = (tf.saved_model.load(str(folder / name)) for name in ("encoder", "decoder"))
    encoded = encoder.serve(images.astype("float32") / 255)
    first = np.asarray(keras.tree.flatten(encoded)[0])
    latents = ours.network.encode(images)[..., : ours.network.channels].reshape(first.shape)
    np.testing.assert_allclose(first, latents, rtol=1e-3, atol=1e-3)
    decoded = np.asarray(decoder.serve(latents))
    assert decoded.shape == images.shape
