import numpy as np
import pytest

from kerasae.data.batches import ShardedFeed, TrainingFeed, ValidationFeed


def numbered(count):
    return np.arange(count, dtype="uint8").reshape(count, 1, 1, 1)


def seen(feed, step):
    images, weights = feed.batch(step)
    return images.ravel().tolist(), weights.tolist()


def test_a_batch_that_does_not_divide_is_filled_up_at_its_end_with_weight_0():
    feed = ShardedFeed(ValidationFeed(numbered(20), np.arange(5, 16), batch_size=4), devices=4)
    assert seen(feed, 0) == ([5, 6, 7, 8], [1, 1, 1, 1])
    assert seen(feed, 2) == ([13, 14, 15, 13], [1, 1, 1, 0])


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
