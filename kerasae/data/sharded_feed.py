"""Batches that are split over devices, and the part of each that one process feeds."""

from typing import Literal

import numpy as np

from kerasae.data.feed import TrainingFeed


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
        return np.asarray(self.images[chosen[own]]), weights[own]

    def dataset(self, kind: Literal["auto", "tf.data", "numpy"]):
        """Return what Keras' ``fit`` takes: batches of ``(images, weights)``."""
        from kerasae.data.fit_dataset import fit_dataset

        return fit_dataset(self, kind)
