"""Batches for training: which images in which order, and how they come to the device.

A ``Feed`` says which images make up which batch. ``DeviceFeed`` brings them to the device: all of them once where there
is room, else part after part, each while the one before is worked on. The order of an epoch goes there as indexes.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import keras
import numpy as np

from kerasae.data.cache import Patches
from kerasae.runtime import free_memory, load_tensorflow_quietly


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of ``count`` images, ``(count,)`` int64, that ``epoch`` (from 0) trains in.

    The same on every backend, with tf.data and without.
    """
    return np.random.Generator(np.random.PCG64([seed, epoch, 0x0DE2])).permutation(count)


class Feed:
    """Which images make up which batch of an epoch.

    ``images`` is ``(count, height, width, channels)`` uint8, an array, a memory map or ``Patches``; ``indexes`` those
    to go through, in batches of ``batch_size``, the last of which may be smaller. With a ``seed``, for training, the
    order is drawn anew in every epoch, and patches are too; without one both stay as they are.
    """

    def __init__(self, images, indexes, *, batch_size: int, seed: int | None = None):
        self.images = images
        self.indexes = np.asarray(indexes)
        self.batch_size = batch_size
        self.seed = seed

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return math.ceil(len(self.indexes) / self.batch_size)

    def places(self, epoch: int) -> np.ndarray:
        """Return the order of ``epoch``, counted from 0: indexes into ``indexes``, ``(count,)``."""
        if self.seed is None:
            return np.arange(len(self.indexes))
        return epoch_order(len(self.indexes), seed=self.seed, epoch=epoch)

    def taken(self, places: np.ndarray, epoch: int) -> np.ndarray:
        """Return the images at ``places`` of ``indexes`` as ``epoch`` has them: uint8 ``(len(places), height, …)``."""
        indexes = self.indexes[places]
        if self.seed is not None and isinstance(self.images, Patches):
            return self.images.drawn(indexes, seed=self.seed, epoch=epoch)
        return np.asarray(self.images[indexes])


@dataclass(frozen=True)
class Batches:
    """Some steps of an epoch, on the device.

    Step ``s`` trains on ``images[order[s]]``: ``images`` uint8 ``(count, height, width, channels)``, ``order`` int32
    ``(steps, batch)``. ``weights`` float32 ``(steps, batch)`` is 0 for what only fills a batch up, None where nothing
    does. Arrays may hold more steps than ``steps``, so that all parts of an epoch have one shape.
    """

    images: Any
    order: Any
    weights: Any
    steps: int


def in_rows(places: np.ndarray, batch_size: int, fill: int | None) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return ``places`` in rows of one batch each, ``(steps, batch)``, with the weights of what is in them, or None.

    A last batch that is smaller is filled up with its first image, of weight 0, so that whoever compiles a step does so
    for one shape; batches are filled up to a multiple of ``fill``, too, so that they divide over as many devices.
    Without ``fill`` it comes as a row of its own, for networks that look across a batch (batch normalisation).
    """
    batch_size = min(batch_size, len(places))
    whole = len(places) // batch_size * batch_size
    rows = places[:whole].reshape(-1, batch_size)
    rest = places[whole:]
    if fill is None:
        return [(rows, None)] + ([(rest[None], None)] if len(rest) else [])
    width = -(-batch_size // fill) * fill
    if not len(rest) and width == batch_size:
        return [(rows, None)]
    batches = [*rows, rest] if len(rest) else [*rows]
    order = np.stack([np.concatenate([row, np.repeat(row[:1], width - len(row))]) for row in batches])
    counts = np.array([len(row) for row in batches])
    return [(order, (np.arange(width) < counts[:, None]).astype("float32"))]


# Two or three parts are in memory at a time: the one worked on and the next.
_PART_BYTES = 256 << 20


class DeviceFeed:
    """The batches of ``feed``, epoch after epoch, as ``Batches`` on the device.

    Args:
        feed: which images.
        kind: ``tf.data`` brings them in parts by a tf.data pipeline; ``numpy`` all at once where they fit in half of
            the free memory, else in parts; ``auto`` is tf.data on TensorFlow and NumPy elsewhere. JAX and PyTorch then
            run where TensorFlow is not installed, and do not spend seconds on importing it.
        fill: see ``in_rows``.
        place: puts a NumPy array on the device, or on all of them: ``place(array)``; with ``place(array, 1)`` each has
            an equal part along axis 1.
        part_bytes: about so many bytes of images make a part.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        kind: Literal["auto", "tf.data", "numpy"] = "auto",
        fill: int | None = None,
        place: Callable[..., Any] | None = None,
        part_bytes: int = _PART_BYTES,
    ):
        self.feed = feed
        self._fill = fill
        self._place = place or (lambda array, axis=None: keras.ops.convert_to_tensor(array))
        if kind == "auto":
            kind = "tf.data" if keras.backend.backend() == "tensorflow" else "numpy"
        self._by_tf_data = kind == "tf.data"
        image_bytes = math.prod(feed.images.shape[1:])
        self._part_steps = max(1, part_bytes // (image_bytes * feed.batch_size))
        self._resident = None
        redrawn = feed.seed is not None and isinstance(feed.images, Patches)
        if kind == "numpy" and not redrawn and image_bytes * len(feed.indexes) <= free_memory() / 2:
            self._resident = self._place(feed.taken(np.arange(len(feed.indexes)), 0))
        self._next_epoch, self._stream = -1, iter(())

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return self.feed.steps

    def epoch(self, epoch: int) -> Iterator[Batches]:
        """Yield the batches of ``epoch``, counted from 0."""
        if self._resident is not None:
            for rows, weights in in_rows(self.feed.places(epoch), self.feed.batch_size, self._fill):
                yield self._batches(self._resident, rows, weights, len(rows))
            return
        if epoch != self._next_epoch:
            self._stream = self._parts_ahead(epoch)
        self._next_epoch = epoch + 1
        for (rows, weights, steps), images in zip(self._parts(epoch), self._stream, strict=False):
            yield self._batches(images, np.arange(rows.size).reshape(rows.shape), weights, steps)

    def _batches(self, images, order: np.ndarray, weights: np.ndarray | None, steps: int) -> Batches:
        weights = None if weights is None else self._place(weights, 1)
        return Batches(images, self._place(order.astype("int32"), 1), weights, steps)

    def _parts(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray | None, int]]:
        """Yield rows of places, their weights and how many rows count; the last part is made as long as the others."""
        for rows, weights in in_rows(self.feed.places(epoch), self.feed.batch_size, self._fill):
            length = min(self._part_steps, len(rows))
            for start in range(0, len(rows), length):
                chosen = np.arange(start, start + length)
                steps = int((chosen < len(rows)).sum())
                chosen = np.minimum(chosen, len(rows) - 1)
                yield rows[chosen], None if weights is None else weights[chosen], steps

    def _parts_ahead(self, first_epoch: int) -> Iterator:
        """Yield the images of part after part, from ``first_epoch`` on without end, each made before it is asked for.

        The first part of an epoch is thus made while the validation of the one before goes on.
        """
        parts = ((epoch, rows) for epoch in count(first_epoch) for rows, _, _ in self._parts(epoch))
        taken = (self.feed.taken(rows.ravel(), epoch) for epoch, rows in parts)
        if not self._by_tf_data:
            return _ahead(map(self._place, taken))
        tf = reading_tensorflow()
        kind = tf.TensorSpec((None, *self.feed.images.shape[1:]), tf.uint8)
        pipeline = iter(tf.data.Dataset.from_generator(lambda: taken, output_signature=kind).prefetch(1))
        return pipeline if keras.backend.backend() == "tensorflow" else (self._place(one.numpy()) for one in pipeline)


def _ahead(items: Iterator) -> Iterator:
    """Yield ``items``, the next of which is made by a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items)
        while True:
            item, following = following.result(), pool.submit(next, items)
            yield item


def reading_tensorflow():
    """Return TensorFlow, imported to read data or write logs; beside another backend it leaves the GPUs alone."""
    load_tensorflow_quietly()
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # Left alone it would claim the memory of every GPU it sees.
        tf.config.set_visible_devices([], "GPU")
    return tf
