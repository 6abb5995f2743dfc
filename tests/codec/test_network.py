import keras
import numpy as np
import pytest

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
