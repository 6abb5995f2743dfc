"""kerasae as a contender of the bench; see ``contenders`` for what a contender is. Loads Keras."""

import numpy as np

from kerasae import recipes
from kerasae.bench.speed import images_per_second
from kerasae.data import ImageSet
from kerasae.data.batches import DeviceFeed, Feed
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.runtime import describe_device
from kerasae.training import build_trainer
from kerasae.training.devices import OneDevice
from kerasae.training.loop import EpochLoop

_KINDS = {"ae": "conv_autoencoder", "vae": "mlp_vae"}


class KerasContender:
    """kerasae on the loaded backend."""

    def __init__(self, images: np.ndarray, batch_size: int):
        self.indexes = np.arange(len(images))
        names = [f"{index:06}" for index in self.indexes]
        self.images = ImageSet.of(images, names, None, label="bench", card="photos")
        self.batch_size = batch_size

    def describe(self) -> str:
        """Return the device."""
        return describe_device()

    def build(self, model: str) -> int:
        """Make ``model``, its optimiser and its scorer; return the number of parameters."""
        _, size, _, channels = self.images.images.shape
        recipe = recipes.Recipe(
            data=recipes.PhotosData(image_size=size, channels=channels),
            model={"kind": _KINDS[model]},
            training=recipes.Training(batch_size=self.batch_size),
        )
        feed = Feed(self.images.images, self.indexes, batch_size=self.batch_size, seed=0)
        self.trainer = build_trainer(recipe, steps_per_epoch=feed.steps)
        self.loop = EpochLoop(self.trainer, DeviceFeed(feed, fill=OneDevice().fill(recipe)))
        self.epochs = 0
        self.scorer = Scorer(self.trainer.autoencoder)
        return self.trainer.autoencoder.count_params()

    def train(self, seconds: float) -> float:
        """Train whole epochs; return images per second."""

        def train_an_epoch():
            self.loop.train_epoch(self.epochs)
            self.epochs += 1

        return images_per_second(train_an_epoch, len(self.indexes), seconds)

    def evaluate(self, seconds: float) -> float:
        """Score all images; return images per second."""
        return images_per_second(lambda: measure(self.scorer, self.images, self.indexes), len(self.indexes), seconds)
