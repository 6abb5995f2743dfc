"""``Autoencoder``: encoder → bottleneck → decoder as a Keras model, the contract that every model keeps.

Distortions that training minimises are written once for all backends:
``loss = distortion + rate_weight · rate + penalty``, every term averaged over the batch:

======================  =========================================================  ==============
distortion              of one image                                               rate
======================  =========================================================  ==============
``mean_squared_error``  squared error, mean over pixels and channels               none
``unit``                squared error, summed over pixels and channels             nats
``calibrated``          −log N(image; reconstruction, σ²) in nats, σ² = batch MSE  nats
======================  =========================================================  ==============

A kernel penalty of 1e-5 therefore weighs 16,384 times more against the first than against the second on 128×128
images; which it was is stored with every run.
"""

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from kerasae.entropy import IdentityBottleneck
from kerasae.errors import ModelError
from kerasae.models.checks import check_images, check_networks, spatial_form
from kerasae.models.steps import Step
from kerasae.runtime import worth_compiling, xla_on_cpu

DISTORTIONS = ("mean_squared_error", "unit", "calibrated")
# σ-VAE's authors bound log σ from below at −6, about half a gray level of 255, so that a perfect batch stays finite.
LEAST_VARIANCE = math.exp(-12.0)


def batch_mean(values, weights=None):
    """Return the mean of ``values`` ``(batch,)``, a scalar; with ``weights`` ``(batch,)``, the weighted mean.

    A batch that is filled up to divide over devices has weight 1 for each image and 0 for what fills it up.
    """
    if weights is None:
        return ops.mean(values)
    # Of a part of a batch that is nothing but filling the mean is 0.
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def distortion_of(images, reconstructions, distortion: str, weights=None):
    """Return the ``distortion`` of each image, ``(batch,)``, by name.

    ``images`` and ``reconstructions`` are ``(batch, height, width, channels)`` in [0, 1]; ``weights`` are those of
    ``batch_mean``, which decide here what counts as the batch's own variance.
    """
    squared = ops.square(images - reconstructions)
    if distortion == "mean_squared_error":
        return ops.mean(squared, axis=(1, 2, 3))
    summed = ops.sum(squared, axis=(1, 2, 3))
    if distortion == "unit":
        return summed
    return _calibrated(summed, weights, numbers=pixels_of(images) * images.shape[-1])


def pixels_of(images):
    """Return height · width of ``(batch, height, width, channels)``: a number, or a tensor where a graph knows none."""
    height, width = images.shape[1:3]
    if height is not None and width is not None:
        return height * width
    shape = ops.shape(images)
    return ops.cast(shape[1] * shape[2], "float32")


def _calibrated(summed, weights, numbers):
    """Negative log-likelihood in nats under the variance that maximises it over the batch.

    Rybkin, Daniilidis & Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders": the optimal shared
    variance is the mean squared error. The gradient through the variance is part of theirs and of ours: the sum over
    the batch is numbers/2 · log(mse) up to a constant.
    """
    variance = ops.maximum(batch_mean(summed, weights) / numbers, LEAST_VARIANCE)
    return 0.5 * (numbers * ops.log(2 * math.pi * variance) + summed / variance)


# What is computed of so many pixels stays in the caches of two CPU cores: in parts of 8 images of 128×128, gray, a
# batch of 128 takes the autoencoder 0.6 of the time of one piece (in parts of 16: 0.68, of 4: 0.58, of 2: 0.83).
_PIXELS_OF_A_PART = 1 << 17


@keras.saving.register_keras_serializable(package="kerasae")
class Autoencoder(Step, keras.Model):
    """An encoder and a decoder, any two ``keras.Model``, around a bottleneck.

        images ──encoder──▶ encoded ──bottleneck──▶ latents ──decoder──▶ reconstructions
        (batch, height, width, channels)        (batch, *latent_shape)
                                                 rate (batch,) in nats

    A plain Keras model: ``model.compile("adam"); model.fit(images)`` minimises the mean squared error of the
    reconstruction plus what the networks' own regularisers and ``add_loss`` ask for; ``compile(loss=…)`` puts another
    Keras loss in the place of the squared error, ``fit(noisy, clean)`` trains to denoise. ``fit`` and ``evaluate`` log
    ``loss``, ``distortion``, ``rate`` (nats), ``penalty`` and ``mse`` beside the metrics given to ``compile``, where
    the names of ``kerasae.metrics`` (``"psnr"``, ``"ssim"``) may stand too.

    Images are uint8, or float in [0, 1]; uint8 is scaled on the device. Latents are ``(n,)`` or ``(rows, columns,
    channels)``.

    Args:
        encoder, decoder: what the encoder gives is what the decoder takes, and the decoder gives images of the size
            that the encoder took. Heights and widths may be None in ``keras.Input``.
        bottleneck: a layer called as ``bottleneck(encoded, training=…)`` → ``(latents, rate)``.
        image_shape: (height, width, channels), for networks that do not say what they take.
        takes_any_size, stride: found out from the networks unless given: whether images of any size can be coded in one
            piece, their sides multiples of ``stride`` pixels.

    Raises:
        ModelError: the networks do not fit each other; the sentence says which shapes arrived and which are needed.
    """

    #: Whether the bottleneck is a distribution, so that there is a sample besides the mean.
    is_variational = False
    #: Whether the bottleneck has an entropy model, so that there is a rate in bits and a quality.
    has_entropy_model = False
    #: Whether training draws nothing and the loss is the mean of what each image costs by itself, penalties apart.
    images_are_independent = False
    #: Per-image terms that ``objective`` returns besides those of every model.
    extra_terms: tuple[str, ...] = ()

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        bottleneck: keras.layers.Layer | None = None,
        image_shape: tuple[int | None, int | None, int] | None = None,
        takes_any_size: bool | None = None,
        stride: int | None = None,
        name: str | None = None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.image_shape, self.latent_shape = check_networks(
            encoder, decoder, image_shape, outputs=2 if self.is_variational else 1, kind=type(self).__name__
        )
        # In this order: the order of the weights is that of codecs frozen before.
        self.encoder = encoder
        self.bottleneck = bottleneck if bottleneck is not None else IdentityBottleneck(name="bottleneck")
        self.decoder = decoder
        self._form = (takes_any_size, stride)
        if stride is not None and any(side and (stride < 1 or side % stride) for side in self.image_shape[:2]):
            raise ModelError(
                f"stride = {stride} does not divide the sides of the images that {type(self).__name__} takes, "
                f"{self.image_shape}; leave it out, and it is found out from the networks"
            )
        if None in self.image_shape:
            self._spatial_form()  # asked now, since nothing else says whether open sides come back as they were
        self._loss = None
        terms = ("loss", "distortion", "rate", "penalty", "mse", *self.extra_terms)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in terms}
        # A symbolic call: Keras then knows the input's shape, which ``export`` and ``summary`` ask for.
        self(keras.Input(self.image_shape))

    # === What the networks are ===

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.image_shape[-1]

    @property
    def takes_any_size(self) -> bool:
        """Whether images of any size whose sides are multiples of ``stride`` can be coded in one piece."""
        return self._spatial_form()[0]

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale; 1 where the size is fixed."""
        return self._spatial_form()[1]

    def _spatial_form(self) -> tuple[bool, int]:
        if None in self._form:
            self._form = spatial_form(self.encoder, self.decoder, self.image_shape, self.latent_shape)
        return self._form

    @property
    def latent_ratio(self) -> float:
        """Numbers of the input per number of the latents: the reference study's "compression ratio". Not bytes."""
        height, width, channels = self.image_shape
        latents = list(self.latent_shape)
        if None in (height, width):
            # One position of the latents and the pixels that it stands for.
            height, width, latents = self.stride, self.stride, latents[2:]
        return height * width * channels / float(np.prod(latents))

    def latent_shape_for(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the latents of an image of ``image_shape`` (height, width, channels)."""
        if None not in self.latent_shape:
            return tuple(self.latent_shape)
        return tuple(keras.tree.flatten(self.encoder(keras.Input(image_shape)))[0].shape[1:])

    # === What the model does ===

    def encode(self, images):
        """Return the latents to be coded, ``(batch, *latent_shape)``; of a variational model, the posterior mean."""
        return self.bottleneck(self.encoder(as_intensities(images)), training=False)[0]

    def decode(self, latents):
        """Return the images of latents, ``(batch, height, width, channels)`` in [0, 1]."""
        return ops.clip(self.decoder(latents), 0.0, 1.0)

    def call(self, images, training=False):
        """Return the reconstructions of ``images``: latents decoded, in training those that training learns from."""
        encoded = self.encoder(as_intensities(images), training=training)
        latents, _ = self.bottleneck(encoded, training=training)
        return ops.clip(self.decoder(latents, training=training), 0.0, 1.0)

    def objective(self, inputs, targets, weights=None, *, training: bool):
        """Return ``(loss, terms, reconstructions)`` of one batch.

        ``inputs`` and ``targets`` are float images in [0, 1], ``weights`` ``(batch,)`` or None. ``terms`` maps names to
        numbers per image ``(batch,)`` or scalars; ``loss`` is one of them, a scalar.
        """
        encoded = self.encoder(inputs, training=training)
        latents, rate = self.bottleneck(encoded, training=training)
        reconstructions = ops.cast(self.decoder(latents, training=training), "float32")
        distortion, mse = self.distortion(targets, reconstructions, weights)
        penalty = self.penalty()
        loss = batch_mean(distortion, weights) + penalty
        terms = {"loss": loss, "distortion": distortion, "rate": rate, "penalty": penalty, "mse": mse}
        return loss, terms, reconstructions

    def distortion(self, targets, reconstructions, weights=None, default: str = "mean_squared_error"):
        """Return the distortion that is minimised, and the mean squared error, both ``(batch,)``."""
        mse = distortion_of(targets, reconstructions, "mean_squared_error")
        if self._loss is None:
            return mse if default == "mean_squared_error" else distortion_of(
                targets, reconstructions, default, weights
            ), mse
        # A ``keras.losses.Loss`` gives the mean over the batch, in which what only fills a batch up must not count; its
        # ``call``, as a function does, a number per pixel.
        loss = self._loss if weights is None else getattr(self._loss, "call", self._loss)
        value = ops.cast(loss(targets, reconstructions), "float32")
        axes = tuple(range(1, len(value.shape)))
        return (ops.mean(value, axis=axes) if axes else value * ops.ones_like(mse)), mse

    def objective_in_words(self) -> str:
        """Return what is minimised, in words and units, without the penalties."""
        return f"{self._loss_in_words('squared error, mean over pixels')}, mean over the batch"

    def _loss_in_words(self, default: str) -> str:
        return (
            default if self._loss is None else f"keras loss {getattr(self._loss, 'name', None) or self._loss.__name__}"
        )

    def penalty(self):
        """Return what regularisers and ``add_loss`` of the networks ask for, a scalar."""
        losses = [ops.cast(loss, "float32") for loss in self.losses]
        return sum(losses) if losses else ops.zeros(())

    def initialize_from(self, images) -> None:
        """Take from a few training images, uint8, what a good start needs; nothing, for most models."""

    def finalize(self) -> None:
        """Do what is left when training is over; nothing, for most models."""

    # === What Keras asks for ===

    def compile(self, optimizer="adam", loss=None, *, metrics=None, jit_compile="auto", **kwargs):
        """Configure training: as ``keras.Model.compile``, every argument optional.

        ``loss`` takes the place of the model's own distortion; ``metrics`` may hold the names of ``kerasae.metrics``.
        XLA compiles where it is worth it (``jit_compile="auto"``): always on JAX, on TensorFlow with an accelerator.
        """
        from kerasae import metrics as ours

        self._loss = keras.losses.get(loss) if loss is not None else None
        if metrics is not None:
            listed = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
            metrics = [getattr(ours, one) if isinstance(one, str) and hasattr(ours, one) else one for one in listed]
        jit_compile = worth_compiling() if jit_compile == "auto" else jit_compile
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config):
        """Compile as a saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, **kwargs):
        """Train as ``keras.Model.fit`` does; ``y`` may be left out, the images then being their own targets."""
        check_images(x, self.image_shape, self.name)
        check_images(y, self.image_shape, self.name)
        history = super().fit(x, y, **kwargs)
        self.finalize()
        return history

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Export images → reconstructions for serving, as ``keras.Model.export`` does."""
        if format == "tf_saved_model" and keras.backend.backend() == "torch":
            # Keras needs torch_xla for it there, which no current PyTorch has.
            export_by_tensorflow(self, filepath)
            return
        images = keras.Input(self.image_shape, name="images")
        # As a functional model, whose inputs Keras knows on every backend, called before or not.
        keras.Model(images, self(images), name=self.name).export(filepath, format=format, **kwargs)

    def parts(self, inputs) -> int:
        """Return in how many equal parts, one after another, a batch of ``inputs`` is computed; 1: in one piece."""
        count, height, width, _ = inputs.shape
        # What a loss of the user's looks at is not known.
        is_one = not self.images_are_independent or self._loss is not None or None in (count, height, width)
        if is_one or not xla_on_cpu():
            return 1
        most = max(1, _PIXELS_OF_A_PART // (height * width))
        part = max(size for size in range(1, min(most, count) + 1) if count % size == 0)
        return 1 if 2 * part < most else count // part

    def unpack(self, data, *, training: bool):
        """Return ``(inputs, targets, weights)`` of what ``fit`` hands to a step, float images in [0, 1]."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        inputs = as_intensities(x)
        targets = inputs if y is None else as_intensities(y)
        if len(inputs.shape) != 4 or len(targets.shape) != 4:
            raise ModelError(
                f"{self.name} trains on images (batch, height, width, channels) and, where they differ, their clean "
                f"targets of the same shape; got {tuple(x.shape)} and {tuple(targets.shape)}"
            )
        return inputs, targets, weights

    def track(self, terms, targets, reconstructions, weights=None):
        """Update trackers and compiled metrics and return their values so far; a scalar counts once for every image."""
        images = ops.ones_like(terms["mse"])
        for name, term in terms.items():
            self.trackers[name].update_state(term * images, sample_weight=weights)
        logs = self.compute_metrics(None, targets, ops.clip(reconstructions, 0.0, 1.0), weights)
        return {name: value for name, value in logs.items() if name in terms or name not in self.trackers}

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics given to ``compile``; images are their own targets where there are no others."""
        return super().compute_metrics(x, as_intensities(x) if y is None else y, y_pred, sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss given to ``compile``, which Keras asks for once to build it; steps use ``objective``."""
        y = as_intensities(x) if y is None else y
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    @property
    def metrics(self):
        """The trackers of the terms, and the metrics given to ``compile``; ``fit`` resets them at every epoch."""
        own = list(self.trackers.values())
        known = {id(tracker) for tracker in own}
        # Keras' tracker of a loss is ours here.
        return own + [one for one in super().metrics if id(one) not in known and one.name != "loss"]

    def build(self, input_shape=None):
        """Take note of the images' shape; refuse another. The networks are built already."""
        if input_shape is not None and any(
            wanted is not None and found is not None and wanted != found
            for wanted, found in zip(self.image_shape, tuple(input_shape)[1:], strict=False)
        ):
            raise ModelError(
                f"{self.name} was built for images of shape {self.image_shape} (height, width, channels); "
                f"got {tuple(input_shape[1:])}"
            )
        self.built = True

    def get_config(self):
        """Return what is needed to build the model again: its networks, and what was found out about them."""
        takes_any_size, stride = self._form
        return {
            "name": self.name,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "image_shape": list(self.image_shape),
            "takes_any_size": takes_any_size,
            "stride": stride,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Return the model that ``config`` describes."""
        config = dict(config)
        for part in ("encoder", "decoder"):
            config[part] = keras.saving.deserialize_keras_object(config[part], custom_objects=custom_objects)
        config["image_shape"] = tuple(config["image_shape"])
        return cls(config.pop("encoder"), config.pop("decoder"), **config)


def export_by_tensorflow(model: keras.Model, filepath) -> None:
    """Write a SavedModel of a saved copy of ``model`` in a process of its own, on TensorFlow."""
    with tempfile.TemporaryDirectory(prefix="kerasae-") as folder:
        copy = Path(folder) / "model.keras"
        model.save(copy)
        script = (
            "import sys, keras, kerasae\n"
            "keras.saving.load_model(sys.argv[1], compile=False).export(sys.argv[2], verbose=False)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(copy), str(Path(filepath).resolve())],
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ModelError(f"a SavedModel is written by TensorFlow, in a process of its own, which ended with: {last}")


def as_intensities(images):
    """Return images as float32 in [0, 1]: uint8 divided by 255, floats as they are."""
    images = ops.convert_to_tensor(images)
    is_float = "float" in keras.backend.standardize_dtype(images.dtype)
    return ops.cast(images, "float32") if is_float else ops.cast(images, "float32") / 255.0
