"""kerasae as a contender of the bench; see ``contenders`` for what a contender is. Loads Keras."""

import time

import keras
import numpy as np

from kerasae import recipes
from kerasae.bench.speed import images_per_second
from kerasae.data import ImageSet
from kerasae.data.batches import TrainingFeed
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.runtime import describe_device
from kerasae.training import build_trainer

_KINDS = {"ae": "conv_autoencoder", "vae": "mlp_vae"}
# More than any bench gets through; the clock ends training.
_EPOCHS = 1_000_000


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
        self.trainer = build_trainer(recipe, steps_per_epoch=self._feed().steps_per_epoch)
        self.scorer = Scorer(self.trainer.autoencoder)
        return self.trainer.autoencoder.count_params()

    def train(self, seconds: float) -> float:
        """Train whole epochs; return images per second."""
        feed, clock = self._feed(), _Clock(seconds)
        self.trainer.fit(
            feed.dataset("auto"),
            epochs=_EPOCHS,
            steps_per_epoch=feed.steps_per_epoch,
            shuffle=False,
            verbose=0,
            callbacks=[clock],
        )
        return clock.epochs * len(self.indexes) / clock.elapsed

    def evaluate(self, seconds: float) -> float:
        """Score all images; return images per second."""
        return images_per_second(lambda: measure(self.scorer, self.images, self.indexes), len(self.indexes), seconds)

    def _feed(self) -> TrainingFeed:
        return TrainingFeed(
            self.images.images, self.indexes, batch_size=self.batch_size, seed=0, first_epoch=0, epochs=_EPOCHS
        )


class _Clock(keras.callbacks.Callback):
    """Stops training after the first epoch that ends past ``seconds``; the start of ``fit`` is not counted."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.began = None
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        if self.began is None:
            self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.elapsed = time.perf_counter() - self.began
        self.epochs += 1
        self.model.stop_training = self.elapsed >= self.seconds
