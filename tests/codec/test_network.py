"""Images of any size ↔ latents: shipped models, and networks of a user's own of every shape."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasae.codec import Codec
from kerasae.codec.frozen import Geometry
from kerasae.codec.keras_network import KerasNetwork
from kerasae.errors import CodecError, DataError
from kerasae.models import Autoencoder
from tests.codec.made_up import KINDS, made_up_codec
from tests.conftest import smooth_images


def test_a_convolutional_model_sees_a_larger_image_as_its_parts():
    network = made_up_codec("conv_autoencoder").network
    image = smooth_images(1, size=96)
    whole, part = network.encode(image), network.encode(image[:, 32:64, 32:64])
    # Away from the borders, where the part is padded and the whole is not.
    np.testing.assert_allclose(whole[:, 9:15, 9:15], part[:, 1:7, 1:7], atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp_vae", "conv_vae"])
def test_a_model_of_fixed_size_sees_tiles(kind):
    network = made_up_codec(kind).network
    image = smooth_images(1, size=96)[:, :64]
    latents = network.encode(image)
    assert latents.shape == (1, 2, 3, 7)
    np.testing.assert_allclose(latents[:, 1, 2], network.encode(image[:, 32:, 64:])[:, 0, 0], rtol=1e-4, atol=1e-4)
    decoded = network.reconstruct(latents, 64, 96)
    alone = network.reconstruct(latents[:, 1:, 2:], 32, 32)
    np.testing.assert_allclose(decoded[:, 32:, 64:], alone, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_native_size_is_what_the_model_itself_computes(kind):
    codec = made_up_codec(kind)
    images = smooth_images(5)
    # What a learned codec rounds is not rounded yet.
    encode = codec.model.encoder if codec.model.has_entropy_model else codec.model.encode
    latents = keras.ops.convert_to_numpy(encode(images.astype("float32") / 255))
    found = codec.network.encode(images)[..., : latents.shape[-1]].reshape(latents.shape)
    np.testing.assert_allclose(found, latents, rtol=1e-4, atol=1e-4)
    assert codec.network.geometry.grid(32, 32) == codec.network.encode(images).shape[1:3]


@pytest.mark.parametrize("kind", KINDS)
def test_padding_repeats_the_edge(kind):
    network = made_up_codec(kind).network
    image = smooth_images(1)[:, :30, :27]
    unit = network.geometry.unit_height
    padded = np.pad(image, ((0, 0), (0, -30 % unit), (0, -27 % unit), (0, 0)), mode="edge")
    assert padded.shape != image.shape
    np.testing.assert_array_equal(network.encode(image), network.encode(padded))


def convolutions(height, width, channels=1):
    """Two networks of stride 4 for images of one size, or of any where the sides are None."""
    grid = tuple(side and side // 4 for side in (height, width))
    images, latents = keras.Input((height, width, channels)), keras.Input((*grid, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(images)
    encoder = keras.Model(images, layers.Conv2D(3, 3, strides=2, padding="same")(x))
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(latents)
    decoder = keras.Model(latents, layers.Conv2DTranspose(channels, 3, strides=2, padding="same")(y))
    return encoder, decoder


class Halves(keras.Model):
    """A subclassed network: no graph to look at."""

    def __init__(self, units, shape):
        super().__init__()
        self.flat, self.dense, self.shape = layers.Flatten(), layers.Dense(units), layers.Reshape(shape)

    def call(self, x):
        return self.shape(self.dense(self.flat(x)))


def own(case):
    keras.utils.set_random_seed(7)
    if case == "subclassed":
        return Autoencoder(Halves(5, (5,)), Halves(24 * 16, (24, 16, 1)), image_shape=(24, 16, 1), name="own")
    if case == "subclassed_grid":
        return Autoencoder(Halves(24, (4, 2, 3)), Halves(24 * 16 * 3, (24, 16, 3)), image_shape=(24, 16, 3), name="own")
    if case == "tiles":
        return Autoencoder(*convolutions(24, 16), takes_any_size=False, stride=1, name="own")
    return Autoencoder(*(convolutions(None, None) if case == "open" else convolutions(24, 16)), name="own")


CASES = {
    "open": Geometry(4, 4, 1, 1, 1),
    "any_size": Geometry(4, 4, 1, 1, 1),
    "tiles": Geometry(24, 16, 6, 4, 1),
    "subclassed": Geometry(24, 16, 1, 1, 1),
    "subclassed_grid": Geometry(24, 16, 4, 2, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_networks_of_ones_own_code_images_of_any_size(case, tmp_path):
    model, random = own(case), np.random.default_rng(0)
    channels = model.channels
    training = smooth_images(40, size=48, channels=channels)[:, :24, :16]
    codec = Codec.from_model(model, training.astype("float32") / 255)
    assert codec.frozen.geometry == CASES[case]
    for height, width in ((24, 16), (16, 24), (7, 50), (1, 1)):
        image = random.integers(0, 256, (height, width, channels), np.uint8)
        step = len(codec.frozen.levels) // 2
        level = codec.frozen.levels[step]
        latents = codec.network.encode(image[None])
        assert latents.shape[1:3] == codec.frozen.geometry.grid(height, width)
        decoded = codec.decode(codec.encode(image, step=step))
        expected = codec.network.decode(level.dequantize(level.quantize(latents)), height, width)[0]
        np.testing.assert_array_equal(decoded, expected)
    # At its own size the model sees the image as it is.
    latents = keras.ops.convert_to_numpy(model.encoder(training.astype("float32") / 255))
    np.testing.assert_allclose(codec.network.encode(training).reshape(latents.shape), latents, rtol=1e-4, atol=1e-5)


def test_a_network_for_other_sizes_shares_its_weights_and_can_be_saved_after():
    model = made_up_codec("conv_autoencoder").model
    network = KerasNetwork(model)
    before = model.encoder.get_config()
    network.reconstruct(network.encode(smooth_images(1, size=48)), 48, 48)
    encoder, decoder = network._parts(48, 48)
    for part, whole in ((encoder.part, model.encoder), (decoder.part, model.decoder)):
        assert part is not whole
        assert all(one is other for one, other in zip(part.weights, whole.weights, strict=True))
    assert model.encoder.get_config() == before


def test_images_neither_gray_nor_colour_are_refused():
    model = Autoencoder(*convolutions(24, 16, channels=4), name="own")
    with pytest.raises(CodecError, match="own takes images of 4 channels; compressed files hold gray or colour"):
        Codec.from_model(model, np.zeros((3, 24, 16, 4), np.uint8))


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((5, 24, 16), np.uint8), DataError, "training images: an array of shape"),
        (np.zeros((5, 24, 16, 3), np.uint8), CodecError, "training images of 3 channels arrived; own takes 1"),
        (np.zeros((1, 24, 16, 1)), CodecError, "freezing needs at least 2 training images; got 1"),
    ],
)
def test_training_images_that_do_not_fit_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        Codec.from_model(own("tiles"), images)


def test_a_square_geometry_is_four_numbers_as_it_always_was():
    cases = {(32, 8, 8, 1): Geometry(32, 32, 8, 8, 1), (24, 16, 6, 4, 3): Geometry(24, 16, 6, 4, 3)}
    for numbers, geometry in cases.items():
        assert geometry.as_tuple() == numbers
        assert Geometry.from_tuple(list(numbers)) == geometry
