"""Transforms and qualities of the learned codecs."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.codec.keras_network import KerasNetwork
from kerasae.models import build_model, initialize
from kerasae.models.learned_codec import gdn_analysis, gdn_synthesis, residual_analysis, residual_synthesis
from kerasae.recipes import recipe_from
from tests.conftest import smooth_images
from tests.small_models import factorized_prior, sizes_of

TRANSFORMS = {
    "residual": {"stem": 2, "widths": (4, 6, 5), "residual_blocks": 1},
    "gdn": {"widths": (4, 6)},
}
PER_TRANSFORM = pytest.mark.parametrize("transform", TRANSFORMS)


def small(transform="residual", **more):
    sizes = TRANSFORMS[transform] | {"image_size": 32, "latent_channels": 7, "levels": 3, "span": 6.0}
    model = factorized_prior(transform=transform, **sizes | more)
    initialize(model, 2)
    return model


def scaled(images):
    return images.astype("float32") / 255


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    ("analysis", "synthesis", "sizes", "stride"),
    [
        (residual_analysis, residual_synthesis, {"stem": 4, "widths": (5, 6, 7), "residual_blocks": 2}, 16),
        (residual_analysis, residual_synthesis, {"stem": 1, "widths": (5, 6), "residual_blocks": 0}, 2),
        (residual_analysis, residual_synthesis, {"stem": 8, "widths": (5,), "residual_blocks": 1}, 8),
        (gdn_analysis, gdn_synthesis, {"widths": (5, 6, 7)}, 16),
        (gdn_analysis, gdn_synthesis, {"widths": (5,)}, 4),
    ],
)
def test_a_pair_of_transforms_goes_down_by_the_stride_and_back(analysis, synthesis, sizes, stride, colours):
    encoder = analysis((32, 48, colours), latent_channels=9, regularizer=None, **sizes)
    latent_shape = encoder.output_shape[1:]
    assert latent_shape == (32 // stride, 48 // stride, 9)
    decoder = synthesis(latent_shape, colours=colours, regularizer=None, **sizes)
    assert decoder.output_shape == (None, 32, 48, colours)
    images = np.random.default_rng(0).uniform(size=(2, 32, 48, colours)).astype("float32")
    back = decoder(encoder(images))
    assert tuple(back.shape) == images.shape
    assert np.isfinite(ops.convert_to_numpy(back)).all()


@PER_TRANSFORM
def test_stride_of_model_and_of_recipe_are_those_of_the_latents(transform):
    model = small(transform)
    plain = {"kind": "factorized_prior", "transform": transform, "latent_channels": 7} | TRANSFORMS[transform]
    recipe = recipe_from({"model": plain, "data": {"image_size": 32}}, name="here", origin="here")
    assert model.stride == recipe.model.latent_stride == recipe.model.stride == 8
    assert model.latent_shape == (4, 4, 7)


def test_the_model_of_the_docstring_has_these_sizes():
    model = factorized_prior()
    assert model.latent_shape == (8, 8, 64)

    # Convolutions by hand: the stem, two a block at each of three scales, two 1×1 that halve, and the latents; back.
    def conv(inputs, outputs, kernel=3):
        return kernel**2 * inputs * outputs + outputs

    blocks = sum(2 * conv(width, width) for width in (32, 64, 128))
    down = conv(16, 32) + conv(4 * 32, 64, 1) + conv(4 * 64, 128, 1) + conv(128, 64)
    up = conv(64, 128) + conv(128, 4 * 64, 1) + conv(64, 4 * 32, 1) + conv(32, 16)
    density, gains, centres = 64 * 3 * 3, 2 * 8 * 64, 64
    # The linear transforms of whole blocks, and the weights that switch the networks on.
    linear, scales = 2 * 256 * 64, 64 + 16
    assert model.count_params() == 2 * blocks + down + up + density + gains + centres + linear + scales
    assert model.count_params() == 1_048_960


@PER_TRANSFORM
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_go_through_the_codec_s_network(transform, channels):
    network = KerasNetwork(small(transform, channels=channels))
    for height, width in ((32, 32), (5, 41), (1, 1), (64, 40)):
        image = smooth_images(1, size=64, channels=channels)[:, :height, :width]
        latents = network.encode(image)
        assert latents.shape == (1, -(-height // 8), -(-width // 8), 7)
        assert network.reconstruct(latents, height, width).shape == image.shape


@PER_TRANSFORM
def test_what_the_network_gives_is_the_encoder_s(transform):
    model = small(transform)
    images = smooth_images(3)
    encoded = ops.convert_to_numpy(model.encoder(scaled(images)))
    np.testing.assert_allclose(KerasNetwork(model).encode(images), encoded, rtol=1e-4, atol=1e-5)
    decoded = np.clip(ops.convert_to_numpy(model.decoder(encoded)), 0, 1)
    np.testing.assert_allclose(ops.convert_to_numpy(model.decode(encoded)), decoded, atol=1e-6)


@PER_TRANSFORM
@pytest.mark.parametrize("density", ["logistic_mixture", "factorized"])
def test_saved_and_loaded_at_every_quality(transform, density, tmp_path):
    model, images = small(transform, density=density, channels=3), scaled(smooth_images(4, channels=3))
    for weight in model.bottleneck.gains.weights:
        weight.assign(ops.convert_to_numpy(weight) + np.random.default_rng(3).normal(scale=0.1, size=weight.shape))
    model.bottleneck.centres.assign(np.linspace(-0.4, 0.4, 7))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert sizes_of(loaded) == sizes_of(model)
    assert type(loaded.bottleneck.density) is type(model.bottleneck.density)
    qualities = np.array([1.0, 1.5, 2.25, 3.0], "float32")
    latents = [ops.convert_to_numpy(one.encode(images, quality=qualities)) for one in (model, loaded)]
    np.testing.assert_allclose(latents[1], latents[0], atol=1e-6)
    assert abs(latents[0]).max() > 0


def test_a_higher_quality_is_nearer_to_the_latents_that_are_not_rounded():
    model, images = small(), scaled(smooth_images(6))
    exact = ops.convert_to_numpy(model.encoder(images))
    errors = []
    for quality in (1.0, 2.0, 3.0):
        latents = ops.convert_to_numpy(model.encode(images, quality=np.full(6, quality, "float32")))
        errors.append(((latents - exact) ** 2).mean())
    assert errors[0] > errors[1] > errors[2] > 0
    middle = ops.convert_to_numpy(model.encode(images, quality=np.full(6, 2.0, "float32")))
    assert model.default_quality == 2.0
    np.testing.assert_array_equal(ops.convert_to_numpy(model.encode(images)), middle)


def test_settling_centres_on_the_medians_of_the_density():
    model = small()
    assert not ops.convert_to_numpy(model.bottleneck.centres).any()
    density, before = model.bottleneck.density, model.bottleneck.density_medians()
    density.means.assign(ops.convert_to_numpy(density.means) + 0.3 * np.arange(7)[:, None])
    model.finalize()
    np.testing.assert_allclose(ops.convert_to_numpy(model.bottleneck.centres), before + 0.3 * np.arange(7), atol=1e-5)


def test_the_recipe_s_lambdas_set_levels_and_span():
    plain = {"model": {"kind": "factorized_prior", "widths": [4, 6]}, "data": {"image_size": 32}}
    for lambdas, levels, span in (([0.001, 0.004, 0.016], 3, 4.0), ([0.01], 1, 1.0)):
        recipe = recipe_from(plain | {"objective": {"lambdas": lambdas}}, name="here", origin="here")
        model = build_model(recipe)
        assert (model.levels, model.bottleneck.gains.levels) == (levels, levels)
        assert model.span == pytest.approx(span)
        assert model.default_quality == (levels + 1) / 2
