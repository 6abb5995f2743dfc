"""Batches for training: which images in which order, and how Keras is given them."""

import math
from typing import Literal

import keras
import numpy as np

from kerasae.data.cache import Patches
from kerasae.runtime import load_tensorflow_quietly


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of ``count`` images, ``(count,)`` int64, that ``epoch`` (from 0) trains in.

    The same on every backend, with tf.data and without.
    """
    return np.random.Generator(np.random.PCG64([seed, epoch, 0x0DE2])).permutation(count)


class TrainingFeed:
    """Which images make up which batch of a training run.

    ``images`` is ``(count, height, width, channels)`` uint8, an array, a memory map or ``Patches``, which are drawn
    anew in every epoch; ``indexes`` those to train on. Batch ``step`` counts on through the epochs from
    ``first_epoch``; the last batch of an epoch may be smaller.
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
        return self.taken(self.chosen(step), step)

    def taken(self, indexes: np.ndarray, step: int) -> np.ndarray:
        """Return the images at ``indexes`` as batch ``step`` has them: uint8, ``(len(indexes), height, …)``."""
        if isinstance(self.images, Patches):
            epoch = self.first_epoch + int(step) // self.steps_per_epoch
            return self.images.drawn(indexes, seed=self.seed, epoch=epoch)
        return np.asarray(self.images[indexes])

    def dataset(self, kind: Literal["auto", "tf.data", "numpy"]):
        """Return what Keras' ``fit`` takes: ``auto`` is tf.data on TensorFlow and NumPy elsewhere.

        JAX and PyTorch then run where TensorFlow is not installed, and do not spend seconds on importing it.
        """

        return fit_dataset(self, kind)


class ValidationFeed(TrainingFeed):
    """One pass over ``indexes`` in their own order; patches are where they stand by themselves."""

    def __init__(self, images, indexes, *, batch_size: int):
        super().__init__(images, indexes, batch_size=batch_size, seed=0, first_epoch=0, epochs=1)
        self._order = (0, self.indexes)

    def taken(self, indexes: np.ndarray, step: int) -> np.ndarray:
        """Return the images at ``indexes``, the same whatever the step."""
        return np.asarray(self.images[indexes])


class ShardedFeed:
    """The batches of ``feed``, each filled up to divide over ``devices``, with a weight per image.

    What fills a batch up stands at its end, repeats its first image and has weight 0. Each process feeds an equal,
    consecutive part: process ``process`` of ``processes``, counted from 0; ``devices`` is a multiple of ``processes``.
    """

    def __init__(self, feed: TrainingFeed, *, devices: int, processes: int = 1, process: int = 0):
        self.feed = feed
        self.devices = devices
        self.processes = processes
        self.process = process

    @property
    def images(self):
        """All images, of which the batches are taken."""
        return self.feed.images

    @property
    def steps(self) -> int:
        """Batches from the feed's first epoch to its end."""
        return self.feed.steps

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return this process's part of batch ``step``: images uint8 ``(part, height, width, channels)``, weights
        float32 ``(part,)``.
        """
        chosen = self.feed.chosen(step)
        count = len(chosen)
        filled = -(-count // self.devices) * self.devices
        chosen = np.concatenate([chosen, np.repeat(chosen[:1], filled - count)])
        part = filled // self.processes
        own = slice(self.process * part, (self.process + 1) * part)
        weights = (np.arange(filled) < count).astype("float32")
        return self.feed.taken(chosen[own], step), weights[own]

    def dataset(self, kind: Literal["auto", "tf.data", "numpy"]):
        """Return what Keras' ``fit`` takes: batches of ``(images, weights)``."""

        return fit_dataset(self, kind)


def fit_dataset(feed, kind: str):
    """Return the batches of ``feed`` for ``fit``: ``auto`` is tf.data on TensorFlow and NumPy elsewhere."""
    if kind == "auto":
        kind = "tf.data" if keras.backend.backend() == "tensorflow" else "numpy"
    if kind == "tf.data":
        return tf_dataset(feed)

    return numpy_dataset(feed)


class _NumpyDataset(keras.utils.PyDataset):
    def __init__(self, feed):
        super().__init__()
        self.feed = feed

    def __len__(self):
        return self.feed.steps

    def __getitem__(self, step):
        batch = self.feed.batch(step)
        return batch if isinstance(batch, tuple) else (batch,)


def numpy_dataset(feed) -> keras.utils.PyDataset:
    """Return the batches of ``feed`` for ``fit``, in order, as ``(images,)``, or with their weights."""
    return _NumpyDataset(feed)


def reading_tensorflow():
    """Return TensorFlow, imported to read data or write logs; beside another backend it leaves the GPUs alone."""
    load_tensorflow_quietly()
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # Left alone it would claim the memory of every GPU it sees.
        tf.config.set_visible_devices([], "GPU")
    return tf


def tf_dataset(feed):
    """Return the batches of ``feed`` as uint8 ``(batch, height, width, channels)``, prefetched.

    The order is the feed's own, so that a resumed run and a backend without tf.data see the same batches. Images are
    gathered batch by batch from the array or memory map: nothing is copied into a TensorFlow constant. A feed whose
    batches carry weights gives pairs, the weights float32 ``(batch,)``.
    """
    tf = reading_tensorflow()
    shape = (None, *feed.images.shape[1:])
    weighted = isinstance(feed, ShardedFeed)

    def gather(step):
        if weighted:
            images, weights = tf.numpy_function(feed.batch, [step], (tf.uint8, tf.float32))
            return tf.ensure_shape(images, shape), tf.ensure_shape(weights, (None,))
        images = tf.numpy_function(feed.batch, [step], tf.uint8)
        return tf.ensure_shape(images, shape)

    # One call at a time keeps the order and the feed's state simple; it takes a tenth of a training step.
    return tf.data.Dataset.range(feed.steps).map(gather, num_parallel_calls=1, deterministic=True).prefetch(4)
