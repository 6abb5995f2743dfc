"""kerasae itself, on the backend that Keras loaded: what ``kerasae train`` and ``kerasae evaluate`` run."""

import time

import keras
import numpy as np

from kerasae import recipe as recipes
from kerasae.bench.clock import images_per_second
from kerasae.data import ImageSet
from kerasae.data.feed import TrainingFeed
from kerasae.evaluation.measure import measure
from kerasae.evaluation.scorer import Scorer
from kerasae.runtime import describe_device
from kerasae.training.prepare import build_trainer

_SECTIONS = {"ae": recipes.ConvAutoencoder(kind="conv_autoencoder"), "vae": recipes.MlpVae(kind="mlp_vae")}
# More than any bench gets through; the clock ends training.
_EPOCHS = 1_000_000


class KerasContender:
    """A backend as a contender; see ``contender`` for the contract."""

    def __init__(self, images: np.ndarray, batch_size: int):
        names = [f"{index:06}" for index in range(len(images))]
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
            model=_SECTIONS[model],
            training=recipes.Training(batch_size=self.batch_size),
        )
        self.trainer = build_trainer(recipe, steps_per_epoch=self._feed().steps_per_epoch)
        self.scorer = Scorer(self.trainer.compressor)
        return self.trainer.compressor.count_params()

    def train(self, seconds: float) -> float:
        """Train whole epochs, one at least, for at least ``seconds``; return images per second."""
        feed, clock = self._feed(), _Clock(seconds)
        self.trainer.fit(
            feed.dataset("auto"),
            epochs=_EPOCHS,
            steps_per_epoch=feed.steps_per_epoch,
            shuffle=False,
            verbose=0,
            callbacks=[clock],
        )
        return clock.epochs * len(feed.indexes) / clock.elapsed

    def evaluate(self, seconds: float) -> float:
        """Score all images, once at least, for at least ``seconds``; return images per second."""
        indexes = np.arange(len(self.images.names))

        def score_all():
            measure(self.scorer, self.images, indexes)

        return images_per_second(score_all, len(indexes), seconds)

    def _feed(self) -> TrainingFeed:
        indexes = np.arange(len(self.images.names))
        return TrainingFeed(
            self.images.images, indexes, batch_size=self.batch_size, seed=0, first_epoch=0, epochs=_EPOCHS
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
