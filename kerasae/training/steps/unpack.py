"""What ``fit`` hands to a step."""


def images_of(data):
    """Return the batch of images; a ``PyDataset`` delivers it in a tuple of one, tf.data bare."""
    return data[0] if isinstance(data, tuple | list) else data


def weights_of(data):
    """Return the weight of each image, or nothing where the batch holds nothing but images."""
    return data[1] if isinstance(data, tuple | list) and len(data) > 1 else None
