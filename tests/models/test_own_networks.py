"""Networks of one's own: plain Keras models in every way, and what does not fit is said in a sentence."""

import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasae
from kerasae.entropy import FactorizedBottleneck, GaussianBottleneck, LogisticMixtureDensity
from kerasae.errors import ModelError
from tests.conftest import BACKEND, smooth_images

IMAGES = smooth_images(12)
FLOATS = IMAGES.astype("float32") / 255


def pair(shape=(32, 32, 1), channels=4, **settings):
    """Return an encoder of stride 4 and its decoder."""
    images = keras.Input(shape)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", **settings)(images)
    encoder = keras.Model(images, layers.Conv2D(channels, 3, strides=2, padding="same", **settings)(x))
    latents = keras.Input(encoder.output_shape[1:])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(latents)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return encoder, keras.Model(latents, x)


def named_outputs():
    encoder = vae_pair()[0]
    return keras.Model(encoder.inputs, dict(zip(("mean", "spread"), encoder.outputs, strict=True)))


def stretched(stride):
    """Return a decoder of any size that gives ``stride`` pixels of a side per latent position."""
    latents = keras.Input((None, None, 4))
    return keras.Model(latents, layers.Conv2DTranspose(1, 3, strides=stride, padding="same")(latents))


def vae_pair(shape=(32, 32, 1), latents=5):
    images = keras.Input(shape)
    x = layers.Flatten()(images)
    encoder = keras.Model(images, [layers.Dense(latents)(x), layers.Dense(latents)(x)])
    pixels = layers.Dense(int(np.prod(shape)), activation="sigmoid")
    return encoder, keras.Sequential([keras.Input((latents,)), pixels, layers.Reshape(shape)])


MODELS = {
    "autoencoder": lambda: kerasae.Autoencoder(*pair()),
    "vae": lambda: kerasae.VariationalAutoencoder(*vae_pair(), beta=0.5),
    "factorized": lambda: kerasae.LearnedCodec(*pair(), entropy="factorized", lambdas=[0.01, 0.03]),
    "hyperprior": lambda: kerasae.LearnedCodec(
        *pair(), entropy="hyperprior", lambdas=[0.01], hyper_width=4, hyper_channels=16
    ),
    "context": lambda: kerasae.LearnedCodec(
        *pair(), entropy="context", lambdas=[0.01], hyper_width=4, hyper_channels=16, passes=2, context_width=4
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_they_fit_evaluate_predict_save_and_load_as_any_keras_model(kind, tmp_path):
    model = MODELS[kind]()
    model.compile("adam", metrics=["psnr", kerasae.metrics.ssim])
    history = model.fit(IMAGES, epochs=2, batch_size=4, validation_data=(FLOATS,), verbose=0).history
    assert {"loss", "distortion", "rate", "penalty", "mse", "psnr", "ssim", "val_loss", "val_psnr"} <= set(history)
    assert (history["rate"][-1] > 0) == (kind != "autoencoder")
    predicted = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(predicted, model.predict(FLOATS, verbose=0), atol=1e-6)
    assert predicted.shape == FLOATS.shape
    scores = model.evaluate(FLOATS, verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["mse"], ((predicted - FLOATS) ** 2).mean(), rtol=0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), predicted, atol=1e-6)
    assert loaded.evaluate(FLOATS, verbose=0, return_dict=True).keys() == scores.keys()
    assert type(loaded) is type(model)


def test_the_squared_error_falls_and_callbacks_stop_it():
    model = kerasae.Autoencoder(*pair())
    model.compile(keras.optimizers.Adam(0.01))
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    assert len(model.fit(FLOATS, epochs=9, verbose=0, callbacks=[stop]).history["loss"]) == 2
    losses = model.fit(FLOATS, epochs=25, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_a_loss_of_keras_takes_the_place_of_the_squared_error_and_clean_targets_that_of_the_input():
    model = kerasae.Autoencoder(*pair(kernel_regularizer=keras.regularizers.L2(0.1)))
    model.compile("adam", loss="mae")
    noisy = np.clip(FLOATS + 0.2, 0, 1)
    found = model.evaluate(noisy, FLOATS, verbose=0, return_dict=True)
    decoded = model.predict(noisy, verbose=0)
    np.testing.assert_allclose(found["distortion"], abs(decoded - FLOATS).mean(), rtol=1e-4)
    kernels = [layer.kernel for layer in model.encoder.layers if hasattr(layer, "kernel")]
    penalty = 0.1 * sum((ops.convert_to_numpy(kernel) ** 2).sum() for kernel in kernels)
    np.testing.assert_allclose(found["penalty"], penalty, rtol=1e-4)
    np.testing.assert_allclose(found["loss"], found["distortion"] + penalty, rtol=1e-4)


def test_the_kl_divergence_is_part_of_the_loss():
    model = kerasae.VariationalAutoencoder(*vae_pair(), beta=3.0)
    model.compile("adam")
    found = model.evaluate(FLOATS, verbose=0, return_dict=True)
    mean, log_variance = (ops.convert_to_numpy(part) for part in model.encoder(FLOATS))
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)
    np.testing.assert_allclose(found["rate"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["loss"], found["distortion"] + 3 * kl.mean(), rtol=1e-4)


def test_layers_with_state_and_losses_of_their_own_take_part():
    images = keras.Input((32, 32, 1))
    x = layers.BatchNormalization()(layers.Conv2D(4, 4, strides=4)(layers.Dropout(0.2)(images)))
    encoder = keras.Model(images, layers.ActivityRegularization(l2=0.01)(x))
    model = kerasae.Autoencoder(encoder, pair(channels=4)[1])
    model.compile("adam")
    before = [ops.convert_to_numpy(weight).copy() for weight in model.non_trainable_variables]
    history = model.fit(FLOATS, epochs=1, verbose=0).history
    assert history["penalty"][0] > 0
    after = [ops.convert_to_numpy(weight) for weight in model.non_trainable_variables]
    assert sum((one != other).any() for one, other in zip(before, after, strict=True)) >= 2


@pytest.mark.parametrize("shape", [(24, 40, 3), (None, None, 1), (32, 32, 3)])
def test_sizes_are_found_out(shape):
    model = kerasae.Autoencoder(*pair(shape))
    assert model.takes_any_size
    assert model.stride == 4
    assert model.latent_ratio == 16 * shape[-1] / 4
    images = smooth_images(6, channels=shape[-1])[:, :24, :28]
    if shape[0] is None:
        model.compile("adam")
        model.fit(images, epochs=1, verbose=0)
    codec = kerasae.Codec.from_model(model, smooth_images(8, size=40, channels=shape[-1])[:, : shape[0], : shape[1]])
    assert codec.decode(codec.encode(images[0])).shape == images[0].shape


def test_a_network_that_is_no_functional_model_says_what_it_takes():
    class Halving(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(4, 4, strides=4)

        def call(self, images):
            return self.conv(images)

    with pytest.raises(ModelError, match=r"does not say what it takes; start it with keras.Input\(\(height, width"):
        kerasae.Autoencoder(Halving(), pair()[1])
    model = kerasae.Autoencoder(Halving(), pair()[1], image_shape=(32, 32, 1))
    assert model.latent_shape == (8, 8, 4)


def flat():
    images = keras.Input((32, 32, 1))
    return keras.Model(images, layers.Dense(5)(layers.Flatten()(images)))


WRONG = {
    "no model": (lambda: kerasae.Autoencoder(len, pair()[1]), "the encoder of Autoencoder must be a keras.Model; got"),
    "no image": (
        lambda: kerasae.Autoencoder(keras.Sequential([keras.Input((9,)), layers.Dense(2)]), pair()[1]),
        r"takes inputs of shape \(9,\); it must take images, \(height, width, channels\)",
    ),
    "other latents": (
        lambda: kerasae.Autoencoder(pair(channels=4)[0], pair(channels=6)[1]),
        r"the decoder of Autoencoder does not take what the encoder gives, latents of shape \(8, 8, 4\): start it with",
    ),
    "other images": (
        lambda: kerasae.Autoencoder(pair()[0], keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(1, 1)])),
        r"the decoder of Autoencoder gives \(8, 8, 1\) for latents of shape \(8, 8, 4\); it must give images of the",
    ),
    "open sides": (
        lambda: kerasae.Autoencoder(pair((None, None, 1))[0], stretched(2)),
        "leave the size of images open, but at 260×264 pixels the decoder does not give back the size",
    ),
    "a stride": (lambda: kerasae.Autoencoder(*pair(), stride=3), "stride = 3 does not divide the sides"),
    "one lambda": (lambda: kerasae.LearnedCodec(*pair(), lambdas=0.1), "lambdas = 0.1 must be a list of numbers"),
    "one output": (
        lambda: kerasae.VariationalAutoencoder(*pair()),
        "must give mean and log variance, two tensors of one shape; it gives one tensor of shape",
    ),
    "two outputs": (lambda: kerasae.Autoencoder(*vae_pair()), "must give one tensor; it gives 2. An encoder that"),
    "a dictionary": (
        lambda: kerasae.VariationalAutoencoder(named_outputs(), vae_pair()[1]),
        "the encoder of VariationalAutoencoder gives a dictionary of mean, spread; it must give a list of two",
    ),
    "flat latents": (lambda: kerasae.LearnedCodec(flat(), vae_pair()[1]), "must give one tensor .batch, rows, columns"),
    "entropy": (lambda: kerasae.LearnedCodec(*pair(), entropy="none"), "entropy = 'none' is not a choice; allowed:"),
    "lambdas": (lambda: kerasae.LearnedCodec(*pair(), lambdas=[2, 1]), "must be numbers above 0 that rise"),
    "beta": (
        lambda: kerasae.VariationalAutoencoder(*vae_pair(), beta=-1),
        "beta = -1 and likelihood = 'unit'; beta is",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_said_when_the_networks_are_given(mistake):
    make, says = WRONG[mistake]
    with pytest.raises(ModelError, match=says):
        make()


def test_images_that_are_none_are_refused_before_training():
    model = kerasae.Autoencoder(*pair())
    model.compile("adam")
    for images, says in (
        (FLOATS * 255, r"takes float images in \[0, 1\]; these lie in \[.*\]: give them as uint8, or divide"),
        (FLOATS[..., 0], r"takes images of shape \(images, 32, 32, 1\); got an array of shape \(12, 32, 32\)"),
        (IMAGES.astype("int32"), "takes images of uint8, or float in .0, 1.; got int32"),
    ):
        with pytest.raises(ModelError, match=says):
            model.fit(images, epochs=1, verbose=0)
    with pytest.raises(ModelError, match="got an array of shape"):
        model.fit(FLOATS, np.arange(12), verbose=0)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: GaussianBottleneck(seed=1), [(4, 6), (4, 6)]),
        (lambda: FactorizedBottleneck(LogisticMixtureDensity(3)), (4, 2, 2, 3)),
    ],
    ids=["gaussian", "factorized"],
)
def test_a_bottleneck_alone_adds_its_rate_and_is_noisy_in_training_only(make, shape):
    bottleneck, random = make(), np.random.default_rng(0)
    shapes = shape if isinstance(shape, list) else [shape]
    encoded = [random.normal(size=one).astype("float32") for one in shapes]
    encoded = encoded if len(encoded) > 1 else encoded[0]
    inputs = [keras.Input(one[1:]) for one in shapes]
    latents, rate = bottleneck(inputs if len(inputs) > 1 else inputs[0])
    model = keras.Model(inputs, [latents, rate])
    quiet, cost = (ops.convert_to_numpy(part) for part in model(encoded, training=False))
    np.testing.assert_allclose([float(one) for one in model.losses], [cost.mean()], rtol=1e-5)
    noisy = ops.convert_to_numpy(model(encoded, training=True)[0])
    assert abs(noisy - quiet).max() > 0.01
    np.testing.assert_array_equal(ops.convert_to_numpy(model(encoded, training=False)[0]), quiet)


def test_mixed_precision_keeps_losses_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kerasae.VariationalAutoencoder(*vae_pair())
        model.compile("adam")
        history = model.fit(FLOATS, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(history["loss"]).all()
    assert all(keras.backend.standardize_dtype(weight.dtype) == "float32" for weight in model.trainable_variables)


@pytest.mark.skipif(BACKEND == "torch", reason="TensorFlow writes it there, in a process of its own")
def test_export_needs_no_call_before(tmp_path):
    kerasae.Autoencoder(*pair()).export(str(tmp_path / "saved"), verbose=False)
    assert (tmp_path / "saved" / "saved_model.pb").is_file()


def test_from_networks_to_a_run_and_back(tmp_path):
    model = kerasae.LearnedCodec(*pair(), lambdas=[0.01, 0.03])
    images = smooth_images(30)
    run = kerasae.train(model, images[:20], images[20:], epochs=2, batch_size=8, runs=tmp_path, verbose=False)
    assert {score.split for score in run.scores()} == {"validation"}
    loaded = run.load_model()
    np.testing.assert_allclose(loaded.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6)
    again = kerasae.train(model, images[:20], images[20:], epochs=2, batch_size=8, runs=tmp_path, verbose=False)
    assert again.folder == run.folder
    assert kerasae.evaluate(run, images=images[:5]).scores[0].count == 5
    assert kerasae.evaluate(run.name, runs=tmp_path).scores == run.scores()
    assert kerasae.report(run).read_text(encoding="utf-8").startswith("<!doctype html>")
    codec = kerasae.Codec.load(run)
    assert codec.decode(codec.encode(images[0])).shape == images[0].shape


CODE = """
import keras
import kerasae

def build(image_shape, width):
    images = keras.Input(image_shape)
    encoder = keras.Model(images, keras.layers.Conv2D(width, 4, strides=4)(images))
    latents = keras.Input(encoder.output_shape[1:])
    decoder = keras.Model(latents, keras.layers.Conv2DTranspose(1, 4, strides=4, activation="sigmoid")(latents))
    return encoder, decoder
"""


def test_code_that_a_recipe_names_is_imported_only_where_it_is_trusted(tmp_path, image_folder, kerasae, monkeypatch):
    (tmp_path / "my_networks.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # Set, so that it is put back whatever the command line makes of it.
    monkeypatch.setenv("KERASAE_TRUST_CODE", "")
    recipe = tmp_path / "own.toml"
    recipe.write_text('[model]\nkind = "my_networks:build"\nwidth = 3\n[training]\nepochs = 1\n', encoding="utf-8")
    options = [recipe, "--data", f"folder:{image_folder}", "--set", "data.image_size=32"]
    code, _, error = kerasae("train", *options)
    assert code == 2
    assert "'my_networks:build' names code, which is imported only where an installed package registers it" in error
    assert "my_networks" not in sys.modules
    assert not (tmp_path / "runs").exists()
    code, out, error = kerasae("train", *options, "--trust-code")
    assert code == 0, error
    assert "own on" in out
    assert kerasae("compress", "own", image_folder, "-o", tmp_path / "small")[0] == 0
