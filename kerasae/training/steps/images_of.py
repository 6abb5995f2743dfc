"""What ``fit`` hands to a step."""


def images_of(data):
    """Return the batch of images; a ``PyDataset`` delivers it in a tuple of one, tf.data bare."""
    return data[0] if isinstance(data, tuple | list) else data
