"""A feed as a tf.data pipeline: the only place in ``data`` that builds on TensorFlow's own pipelines."""

import keras
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    # TensorFlow only reads data here; left alone it would claim the memory of every GPU it sees.
    tf.config.set_visible_devices([], "GPU")


def tf_dataset(feed) -> tf.data.Dataset:
    """Return the batches of ``feed`` as uint8 ``(batch, height, width, channels)``, prefetched.

    The order is the feed's own, so that a resumed run and a backend without tf.data see the same batches. Images are
    gathered batch by batch from the array or memory map: nothing is copied into a TensorFlow constant.
    """
    shape = (None, *feed.images.shape[1:])

    def gather(step):
        images = tf.numpy_function(feed.batch, [step], tf.uint8)
        return tf.ensure_shape(images, shape)

    # One call at a time keeps the order and the feed's state simple; it takes a tenth of a training step.
    return tf.data.Dataset.range(feed.steps).map(gather, num_parallel_calls=1, deterministic=True).prefetch(4)
