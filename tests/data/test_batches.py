"""Which images make up which batch, as NumPy and as tf.data, whole and in equal parts for many devices."""

import numpy as np
import pytest

from kerasae.data.batches import ShardedFeed, TrainingFeed, ValidationFeed, epoch_order
from kerasae.data.cache import Patches, patch_grid


def test_an_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    first = epoch_order(100, seed=1, epoch=0)
    assert sorted(first) == list(range(100))
    np.testing.assert_array_equal(first, epoch_order(100, seed=1, epoch=0))
    assert not np.array_equal(first, epoch_order(100, seed=1, epoch=1))
    assert not np.array_equal(first, epoch_order(100, seed=2, epoch=0))


def numbered(count):
    return np.arange(count, dtype="uint8").reshape(count, 1, 1, 1)


def seen(feed, steps):
    return [feed.batch(step).ravel().tolist() for step in steps]


def test_an_epoch_sees_every_chosen_image_once():
    feed = TrainingFeed(numbered(50), np.arange(10, 33), batch_size=8, seed=0, first_epoch=0, epochs=3)
    assert feed.steps_per_epoch == 3
    assert feed.steps == 9
    for epoch in range(3):
        batches = seen(feed, range(3 * epoch, 3 * epoch + 3))
        assert [len(batch) for batch in batches] == [8, 8, 7]
        assert sorted(image for batch in batches for image in batch) == list(range(10, 33))


def test_a_feed_that_starts_later_goes_on_in_the_same_order():
    whole = TrainingFeed(numbered(20), np.arange(20), batch_size=8, seed=4, first_epoch=0, epochs=4)
    rest = TrainingFeed(numbered(20), np.arange(20), batch_size=8, seed=4, first_epoch=2, epochs=4)
    assert seen(whole, range(6, 12)) == seen(rest, range(6))


def test_validation_keeps_the_order():
    feed = ValidationFeed(numbered(20), np.array([3, 1, 2]), batch_size=2)
    assert seen(feed, range(feed.steps)) == [[3, 1], [2]]


def test_numpy_dataset_delivers_the_feed_s_batches():
    feed = TrainingFeed(numbered(20), np.arange(20), batch_size=8, seed=4, first_epoch=0, epochs=2)
    dataset = feed.dataset("numpy")
    assert len(dataset) == 6
    assert [dataset[step][0].ravel().tolist() for step in range(6)] == seen(feed, range(6))


def test_tf_data_delivers_the_same_batches_as_uint8():
    pytest.importorskip("tensorflow")
    feed = TrainingFeed(numbered(20), np.arange(20), batch_size=8, seed=4, first_epoch=0, epochs=2)
    batches = [batch.numpy() for batch in feed.dataset("tf.data")]
    assert {batch.dtype for batch in batches} == {np.dtype("uint8")}
    assert [batch.ravel().tolist() for batch in batches] == seen(feed, range(6))


def shard(feed, step):
    images, weights = feed.batch(step)
    return images.ravel().tolist(), weights.tolist()


def test_a_batch_that_does_not_divide_is_filled_up_at_its_end_with_weight_0():
    feed = ShardedFeed(ValidationFeed(numbered(20), np.arange(5, 16), batch_size=4), devices=4)
    assert shard(feed, 0) == ([5, 6, 7, 8], [1, 1, 1, 1])
    assert shard(feed, 2) == ([13, 14, 15, 13], [1, 1, 1, 0])


@pytest.mark.parametrize(("devices", "processes"), [(2, 2), (4, 2), (3, 3), (8, 4)])
def test_processes_feed_equal_parts_that_make_up_the_batch(devices, processes):
    whole = TrainingFeed(numbered(20), np.arange(13), batch_size=5, seed=1, first_epoch=0, epochs=2)
    parts = [ShardedFeed(whole, devices=devices, processes=processes, process=process) for process in range(processes)]
    for step in range(whole.steps):
        fed = [part.batch(step) for part in parts]
        assert len({len(images) for images, _ in fed}) == 1
        images, weights = (np.concatenate(joined) for joined in zip(*fed, strict=True))
        assert len(images) % devices == 0
        assert len(images) - len(whole.batch(step)) < devices
        np.testing.assert_array_equal(images[weights == 1], whole.batch(step))
        assert set(weights) <= {0, 1}


@pytest.mark.parametrize("kind", ["numpy", "tf.data"])
def test_a_dataset_delivers_images_and_weights(kind):
    if kind == "tf.data":
        pytest.importorskip("tensorflow")
    feed = ShardedFeed(ValidationFeed(numbered(20), np.arange(7), batch_size=4), devices=2)
    dataset = feed.dataset(kind)
    batches = list(dataset) if kind == "tf.data" else [dataset[step] for step in range(len(dataset))]
    assert len(batches) == feed.steps == 2
    for step, (images, weights) in enumerate(batches):
        assert np.asarray(images).dtype == np.uint8
        np.testing.assert_array_equal(np.asarray(images), feed.batch(step)[0])
        np.testing.assert_array_equal(np.asarray(weights), feed.batch(step)[1])


@pytest.fixture
def patches():
    """Return 12 patches, 4 pixels wide, of three images."""
    shapes = [(8, 9, 1), (13, 13, 1), (5, 12, 1)]
    pixels = np.random.default_rng(0).integers(0, 256, sum(height * width for height, width, _ in shapes), np.uint8)
    return Patches(pixels, shapes, patch_grid(shapes, 4, most=5), 4)


@pytest.mark.parametrize("kind", ["numpy", "tf.data"])
def test_patches_are_drawn_anew_in_each_epoch_the_same_by_both_feeds_when_resumed_and_in_shards(patches, kind):
    if kind == "tf.data":
        pytest.importorskip("tensorflow")

    def batches(feed):
        dataset = feed.dataset(kind)
        found = list(dataset) if kind == "tf.data" else [dataset[step] for step in range(len(dataset))]
        return [np.asarray(one[0] if isinstance(one, tuple) else one) for one in found]

    def feed(first_epoch):
        return TrainingFeed(patches, np.arange(12), batch_size=5, seed=3, first_epoch=first_epoch, epochs=3)

    whole = batches(feed(0))
    for step, batch in enumerate(whole):
        chosen = feed(0).chosen(step)
        np.testing.assert_array_equal(batch, patches.drawn(chosen, seed=3, epoch=step // 3))
    for resumed, batch in zip(batches(feed(1)), whole[3:], strict=True):
        np.testing.assert_array_equal(resumed, batch)
    parts = [batches(ShardedFeed(feed(0), devices=2, processes=2, process=process)) for process in range(2)]
    for first, second, batch in zip(*parts, whole, strict=True):
        np.testing.assert_array_equal(np.concatenate([first, second])[: len(batch)], batch)
    for _ in range(2):
        held_out = batches(ValidationFeed(patches, np.arange(3, 9), batch_size=4))
        np.testing.assert_array_equal(np.concatenate(held_out), patches[3:9])
