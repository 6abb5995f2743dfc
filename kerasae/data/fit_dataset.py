"""A feed as what Keras takes."""

import keras


def fit_dataset(feed, kind: str):
    """Return the batches of ``feed`` for ``fit``: ``auto`` is tf.data on TensorFlow and NumPy elsewhere."""
    if kind == "auto":
        kind = "tf.data" if keras.backend.backend() == "tensorflow" else "numpy"
    if kind == "tf.data":
        from kerasae.data.pipeline import tf_dataset

        return tf_dataset(feed)
    from kerasae.data.numpy_dataset import numpy_dataset

    return numpy_dataset(feed)
