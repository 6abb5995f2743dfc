"""Batches for training: one interface, with tf.data or plain NumPy behind it."""

import math
from typing import Literal

import numpy as np

from kerasae.data.order import epoch_order


class TrainingFeed:
    """Which images make up which batch of a training run.

    ``images`` is ``(count, height, width, channels)`` uint8, an array or a memory map; ``indexes`` those to train
    on. Batch ``step`` counts on through the epochs from ``first_epoch``; the last batch of an epoch may be smaller.
    """

    def __init__(self, images, indexes, *, batch_size: int, seed: int, first_epoch: int, epochs: int):
        self.images = images
        self.indexes = np.asarray(indexes)
        self.batch_size = batch_size
        self.seed = seed
        self.first_epoch = first_epoch
        self.epochs = epochs
        self._order: tuple[int, np.ndarray] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch."""
        return math.ceil(len(self.indexes) / self.batch_size)

    @property
    def steps(self) -> int:
        """Batches from ``first_epoch`` to the end."""
        return self.steps_per_epoch * (self.epochs - self.first_epoch)

    def chosen(self, step: int) -> np.ndarray:
        """Return which images make up batch ``step``: indexes into ``images``, ``(batch,)``."""
        epoch, place = divmod(int(step), self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = epoch_order(len(self.indexes), seed=self.seed, epoch=self.first_epoch + epoch)
            self._order = (epoch, self.indexes[order])
        return self._order[1][place * self.batch_size : (place + 1) * self.batch_size]

    def batch(self, step: int) -> np.ndarray:
        """Return batch ``step``: ``(batch, height, width, channels)`` uint8."""
        return np.asarray(self.images[self.chosen(step)])

    def dataset(self, kind: Literal["auto", "tf.data", "numpy"]):
        """Return what Keras' ``fit`` takes: ``auto`` is tf.data on TensorFlow and NumPy elsewhere.

        JAX and PyTorch then run where TensorFlow is not installed, and do not spend seconds on importing it.
        """
        from kerasae.data.fit_dataset import fit_dataset

        return fit_dataset(self, kind)


class ValidationFeed(TrainingFeed):
    """One pass over ``indexes`` in their own order."""

    def __init__(self, images, indexes, *, batch_size: int):
        super().__init__(images, indexes, batch_size=batch_size, seed=0, first_epoch=0, epochs=1)
        self._order = (0, self.indexes)
