"""A feed as a Keras ``PyDataset``: no TensorFlow."""

import keras


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
