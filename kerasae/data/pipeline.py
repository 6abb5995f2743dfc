"""A feed as a tf.data pipeline: the only place in ``data`` that builds on TensorFlow's own pipelines."""

import keras
import tensorflow as tf

from kerasae.data.sharded_feed import ShardedFeed

if keras.backend.backend() != "tensorflow":
    # TensorFlow only reads data here; left alone it would claim the memory of every GPU it sees.
    tf.config.set_visible_devices([], "GPU")


def tf_dataset(feed) -> tf.data.Dataset:
    """Return the batches of ``feed`` as uint8 ``(batch, height, width, channels)``, prefetched.

    The order is the feed's own, so that a resumed run and a backend without tf.data see the same batches. Images are
    gathered batch by batch from the array or memory map: nothing is copied into a TensorFlow constant. A feed whose
    batches carry weights gives pairs, the weights float32 ``(batch,)``.
    """
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
