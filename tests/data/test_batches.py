"""Which images make up which batch, as NumPy and as tf.data, at once and in parts."""

import keras
import numpy as np
import pytest

from kerasae.data.batches import DeviceFeed, Feed, epoch_order, in_rows
from kerasae.data.cache import Patches, patch_grid
from tests.conftest import batches_of


def test_an_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    first = epoch_order(100, seed=1, epoch=0)
    assert sorted(first) == list(range(100))
    np.testing.assert_array_equal(first, epoch_order(100, seed=1, epoch=0))
    assert not np.array_equal(first, epoch_order(100, seed=1, epoch=1))
    assert not np.array_equal(first, epoch_order(100, seed=2, epoch=0))


def numbered(count):
    return np.arange(count, dtype="uint8").reshape(count, 1, 1, 1)


def seen(feed, epoch=0):
    return [batch.ravel().tolist() for batch in batches_of(feed, epoch)]


def test_an_epoch_sees_every_chosen_image_once():
    feed = Feed(numbered(50), np.arange(10, 33), batch_size=8, seed=0)
    assert feed.steps == 3
    for epoch in range(3):
        batches = seen(feed, epoch)
        assert [len(batch) for batch in batches] == [8, 8, 7]
        assert sorted(image for batch in batches for image in batch) == list(range(10, 33))


def test_validation_keeps_the_order():
    assert seen(Feed(numbered(20), np.array([3, 1, 2]), batch_size=2)) == [[3, 1], [2]]


def test_a_batch_that_is_smaller_is_filled_up_with_weight_0_or_stands_alone():
    ((order, weights),) = in_rows(np.arange(5, 16), 4, 1)
    assert order.tolist() == [[5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 13]]
    assert weights.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]]
    (order, weights), (rest, no_weights) = in_rows(np.arange(5, 16), 4, None)
    assert order.tolist() == [[5, 6, 7, 8], [9, 10, 11, 12]]
    assert rest.tolist() == [[13, 14, 15]]
    assert weights is no_weights is None
    ((order, weights),) = in_rows(np.arange(8), 4, 1)
    assert order.shape == (2, 4)
    assert weights is None


@pytest.mark.parametrize("devices", [2, 3, 4, 8])
def test_batches_divide_over_devices(devices):
    places = Feed(numbered(20), np.arange(13), batch_size=5, seed=1).places(0)
    ((order, weights),) = in_rows(places, 5, devices)
    assert order.shape == (3, -(-5 // devices) * devices)
    assert order[weights == 1].tolist() == places.tolist()
    assert set(weights.ravel()) <= {0, 1}


@pytest.fixture
def patches():
    """Return 12 patches, 4 pixels wide, of three images."""
    shapes = [(8, 9, 1), (13, 13, 1), (5, 12, 1)]
    pixels = np.random.default_rng(0).integers(0, 256, sum(height * width for height, width, _ in shapes), np.uint8)
    return Patches(pixels, shapes, patch_grid(shapes, 4, most=5), 4)


def on_device(feed, epoch):
    """Return the batches of an epoch that came to the device, without what fills them up."""
    found = []
    for part in feed.epoch(epoch):
        images, order = (keras.ops.convert_to_numpy(one) for one in (part.images, part.order))
        assert images.dtype == np.uint8
        weights = np.ones(order.shape) if part.weights is None else keras.ops.convert_to_numpy(part.weights)
        found += [images[order[step]][weights[step] == 1] for step in range(part.steps)]
    return found


KINDS = pytest.mark.parametrize("kind", ["numpy", "tf.data"])


@KINDS
@pytest.mark.parametrize("fill", [None, 1, 4])
@pytest.mark.parametrize("part_bytes", [1, 16, 1 << 20])
def test_the_feed_s_batches_come_to_the_device(kind, fill, part_bytes, monkeypatch):
    if kind == "tf.data":
        pytest.importorskip("tensorflow")
    # With no room at all they come in parts.
    for free in (0, 1 << 30):
        monkeypatch.setattr("kerasae.data.batches.free_memory", lambda free=free: free)
        feed = Feed(numbered(50), np.arange(10, 43), batch_size=8, seed=4)
        ahead = DeviceFeed(feed, kind=kind, fill=fill, part_bytes=part_bytes)
        # On from epoch to epoch, and begun in the middle as by a run that is resumed.
        for epoch in (0, 1, 5, 6):
            assert [batch.ravel().tolist() for batch in on_device(ahead, epoch)] == seen(feed, epoch)


def test_the_parts_of_an_epoch_have_one_shape(monkeypatch):
    monkeypatch.setattr("kerasae.data.batches.free_memory", lambda: 0)
    feed = Feed(numbered(50), np.arange(43), batch_size=8, seed=4)
    parts = list(DeviceFeed(feed, kind="numpy", fill=1, part_bytes=32).epoch(0))
    assert [part.steps for part in parts] == [4, 2]
    assert {tuple(part.images.shape) for part in parts} == {(32, 1, 1, 1)}
    assert {tuple(part.order.shape) for part in parts} == {tuple(part.weights.shape) for part in parts} == {(4, 8)}


@KINDS
def test_patches_are_drawn_anew_in_each_epoch_the_same_by_both_feeds_and_when_resumed(patches, kind):
    if kind == "tf.data":
        pytest.importorskip("tensorflow")
    feed = Feed(patches, np.arange(12), batch_size=5, seed=3)
    for first in (0, 1):
        ahead = DeviceFeed(feed, kind=kind)
        for epoch in range(first, 3):
            places = epoch_order(12, seed=3, epoch=epoch)
            drawn = np.concatenate(on_device(ahead, epoch))
            np.testing.assert_array_equal(drawn, patches.drawn(places, seed=3, epoch=epoch))
    held_out = DeviceFeed(Feed(patches, np.arange(3, 9), batch_size=4), kind=kind)
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(on_device(held_out, 0)), patches[3:9])
