"""kerasae as a contender of the bench; see ``contenders`` for what a contender is. Loads Keras."""

import math

import keras
import numpy as np

from kerasae import recipes
from kerasae.bench.speed import images_per_second
from kerasae.data import ImageSet
from kerasae.data.batches import Feed
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.rate_distortion.experiment import macs_per_pixel
from kerasae.runtime import describe_device
from kerasae.training import build_trainer
from kerasae.training.callbacks import EpochLoop
from kerasae.training.devices import OneDevice

_RECIPES = {"ae": "ae_baseline", "vae": "vae_baseline", "codec": "mean_scale_hyperprior"}
# A learned codec takes seconds for what the others do at once.
_MOST_STEPS = {"codec": 32}


class KerasContender:
    """kerasae on the loaded backend."""

    tasks = ("train", "evaluate")

    def __init__(self, images: np.ndarray):
        names = [f"{index:06}" for index in range(len(images))]
        self.images = ImageSet.of(images, names, None, label="bench", card="photos")

    def describe(self) -> str:
        """Return the device."""
        return describe_device()

    def build(self, model: str, batch_size: int) -> dict:
        """Make ``model``, its optimiser and its scorer; return what is known of the model."""
        _, size, _, channels = self.images.images.shape
        recipe = recipes.Recipe(
            data=recipes.PhotosData(image_size=size, channels=channels),
            model=recipes.load_recipe(_RECIPES[model]).model,
            training=recipes.Training(batch_size=batch_size),
        )
        count = min(len(self.images.images), _MOST_STEPS.get(model, 2**31) * batch_size)
        self.indexes = np.arange(count)
        feed = Feed(self.images.images, self.indexes, batch_size=batch_size, seed=0)
        self.trainer = build_trainer(recipe, steps_per_epoch=feed.steps)
        autoencoder = self.trainer.autoencoder
        if autoencoder.has_entropy_model:
            autoencoder.initialize_from(self.images.images[: min(64, count)])
        self.loop = EpochLoop(self.trainer, OneDevice().bring(feed, recipe))
        self.epochs = 0
        self.scorer = Scorer(autoencoder)
        parts = (autoencoder.encoder, autoencoder.decoder)
        # A step's products: forward, and the gradients by the inputs and by the weights.
        flops = 3 * 2 * sum(macs_per_pixel(part, 1) or 0 for part in parts)
        activations = sum(numbers_made(part) for part in parts)
        return {"parameters": autoencoder.count_params(), "flops_per_image": flops, "numbers_per_image": activations}

    def train(self, seconds: float) -> float:
        """Train whole epochs; return images per second."""

        def train_an_epoch():
            self.loop.train_epoch(self.epochs)
            self.epochs += 1

        return images_per_second(train_an_epoch, len(self.indexes), seconds)

    def evaluate(self, seconds: float) -> float:
        """Score all images; return images per second."""
        return images_per_second(lambda: measure(self.scorer, self.images, self.indexes), len(self.indexes), seconds)


def numbers_made(part: keras.Model) -> int:
    """Return how many numbers the layers of a functional model make of an image; views of others are not counted."""
    views = keras.layers.InputLayer | keras.layers.Reshape | keras.layers.Flatten
    layers = [layer for layer in part.layers if not isinstance(layer, views) and not _does_nothing(layer)]
    return sum(
        numbers_made(layer) if isinstance(layer, keras.Model) else math.prod(layer.output.shape[1:]) for layer in layers
    )


def _does_nothing(layer: keras.layers.Layer) -> bool:
    # The last of a decoder, which sees to float32.
    return isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.linear
