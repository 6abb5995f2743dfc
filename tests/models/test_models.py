import keras
import numpy as np
import pytest
from keras import ops

from kerasae.entropy import FactorizedDensity
from kerasae.errors import ModelError
from kerasae.layers import GDN, GlorotUniform
from kerasae.models import initialize
from kerasae.recipes import KINDS
from tests.small_models import SMALL, conv_autoencoder, mlp_vae, sizes_of, small


@pytest.fixture(params=SMALL)
def model(request):
    made = small(request.param, channels=3)
    initialize(made, 0)
    return made


def uniform(model, count=3):
    return np.random.default_rng(0).uniform(size=(count, *model.image_shape)).astype("float32")


def test_every_kind_of_the_schema_has_a_model_and_is_tested():
    assert set(KINDS) == set(SMALL)


def test_reference_autoencoder_has_the_study_s_size():
    model = conv_autoencoder()
    assert model.count_params() == 741
    assert model.latent_shape == (32, 32, 4)
    assert model.latent_ratio == 4


def test_reference_vae_has_the_study_s_size():
    model = mlp_vae()
    dense = 16384 * 512 + 512
    assert model.count_params() == dense + 2 * (512 * 200 + 200) + (200 * 512 + 512) + (512 * 16384 + 16384)
    assert model.latent_shape == (200,)


def test_reconstructions_are_decoded_latents_in_range(model):
    images = uniform(model)
    latents = model.encode(images)
    assert tuple(latents.shape) == (3, *model.latent_shape)
    reconstructions = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(reconstructions, ops.convert_to_numpy(model.decode(latents)), atol=1e-6)
    assert reconstructions.shape == images.shape
    assert reconstructions.min() >= 0
    assert reconstructions.max() <= 1


def test_an_image_s_reconstruction_does_not_depend_on_its_batch(model):
    images = uniform(model)
    alone = np.concatenate([ops.convert_to_numpy(model(images[i : i + 1])) for i in range(3)])
    np.testing.assert_allclose(ops.convert_to_numpy(model(images)), alone, atol=1e-5)


def test_saved_models_load_with_plain_keras(model, tmp_path):
    images = uniform(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert sizes_of(loaded) == sizes_of(model)
    np.testing.assert_allclose(ops.convert_to_numpy(loaded(images)), ops.convert_to_numpy(model(images)), atol=1e-6)


def test_encoder_and_decoder_are_functional_models(model):
    for part in (model.encoder, model.decoder):
        assert isinstance(part, keras.Model)
        assert part.get_config()["layers"]
    assert model.image_shape[0] % model.stride == 0


@pytest.mark.parametrize(
    ("penalty", "kind"), [({"l1": 1e-3}, "L1"), ({"l2": 1e-3}, "L2"), ({"l1": 1e-3, "l2": 1e-2}, "L1L2")]
)
def test_every_kernel_and_no_bias_is_penalised(penalty, kind):
    for kind_of_model in SMALL:
        for variable in small(kind_of_model, **penalty).trainable_variables:
            is_kernel = variable.name == "kernel"
            assert (type(variable.regularizer).__name__ if variable.regularizer else None) == (
                kind if is_kernel else None
            )


def test_no_kernel_is_drawn_by_the_backend():
    # Which is compiled per shape on JAX, at each start and each loading.
    for family, more in [*((kind, {}) for kind in SMALL), ("factorized_prior", {"transform": "gdn"})]:
        drawn = [
            layer.kernel_initializer
            for layer in small(family, **more)._flatten_layers()
            if hasattr(layer, "kernel_initializer")
        ]
        assert drawn, family
        assert {type(one) for one in drawn} == {GlorotUniform}, family


def test_starting_weights_are_glorot_and_depend_on_the_seed_alone():
    first, again, other = (mlp_vae(image_size=32, hidden=(64,), latent_size=8) for _ in range(3))
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        initialize(model, seed)
    kernel = first.get_weights()[0]
    limit = np.sqrt(6 / (1024 + 64))
    assert kernel.shape == (1024, 64)
    assert abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / np.sqrt(3)) < 0.01 * limit
    np.testing.assert_array_equal(kernel, again.get_weights()[0])
    assert not np.array_equal(kernel, other.get_weights()[0])


def test_what_is_not_a_kernel_keeps_the_start_its_layer_gave_it():
    bent = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1), GDN(), FactorizedDensity(3)])
    before = bent.get_weights()
    initialize(bent, 0)
    for variable, old, new in zip(bent.weights, before, bent.get_weights(), strict=True):
        assert np.array_equal(old, new) == (variable.name != "kernel"), variable.path


def test_starting_weights_are_these_numbers_on_every_backend():
    model = conv_autoencoder()
    initialize(model, 0)
    np.testing.assert_allclose(model.get_weights()[0].ravel()[:3], FIRST_WEIGHTS, rtol=1e-6)


# Drawn by NumPy's PCG64 from [0, 0x1417]; a change here changes every published score.
FIRST_WEIGHTS = [0.18628397, 0.24950188, 0.19017848]


def test_images_of_another_shape_are_refused():
    with pytest.raises(
        ModelError, match=r"built for images of shape \(32, 32, 1\) \(height, width, channels\); got \(16"
    ):
        conv_autoencoder(image_size=32).build((None, 16, 16, 1))
