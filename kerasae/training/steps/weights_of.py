"""What ``fit`` hands to a step besides the images, where a batch is split over devices."""


def weights_of(data):
    """Return the weight of each image, or nothing where the batch holds nothing but images."""
    return data[1] if isinstance(data, tuple | list) and len(data) > 1 else None
