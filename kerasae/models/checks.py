"""What two networks must satisfy to be an encoder and a decoder, and what images must be."""

import keras
import numpy as np

from kerasae.errors import ModelError
from kerasae.runtime import load_tensorflow_quietly


def check_networks(encoder, decoder, image_shape, *, outputs: int, kind: str):
    """Return the image shape (height, width, channels) and the latent shape of two networks that fit each other.

    ``outputs`` is 1, or 2 for an encoder that gives mean and log variance. Raises ``ModelError`` saying which shapes
    arrived and which are needed.
    """
    for role, part in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(part, keras.layers.Layer):
            raise ModelError(f"the {role} of {kind} must be a keras.Model; got {type(part).__name__}: {part!r:.60}")
    image_shape = tuple(image_shape) if image_shape is not None else _input_shape(encoder, kind)
    if len(image_shape) != 3 or image_shape[-1] is None:
        raise ModelError(
            f"the encoder of {kind} takes inputs of shape {image_shape}; it must take images, (height, width, "
            "channels) with the channels given: start it with keras.Input((128, 128, 1)), or None for open sides"
        )
    encoded = _called(encoder, image_shape, f"the encoder of {kind}", "images")
    latents = _latents(encoded, outputs, kind)
    reconstructed = _called(decoder, latents, f"the decoder of {kind}", "what the encoder gives, latents")
    if not _is_one(reconstructed) or not _agree(tuple(reconstructed.shape[1:]), image_shape):
        found = tuple(reconstructed.shape[1:]) if _is_one(reconstructed) else f"{len(reconstructed)} outputs"
        raise ModelError(
            f"the decoder of {kind} gives {found} for latents of shape {latents}; it must give images of the shape "
            f"that the encoder takes, {image_shape}"
        )
    return image_shape, latents


def _input_shape(encoder, kind: str):
    try:
        shape = encoder.input_shape
    except (AttributeError, ValueError):
        raise ModelError(
            f"the encoder of {kind}, {encoder.name}, does not say what it takes; start it with "
            "keras.Input((height, width, channels)), or pass image_shape=(height, width, channels)"
        ) from None
    if not isinstance(shape, tuple):
        raise ModelError(f"the encoder of {kind} has several inputs, {shape}; it must take one batch of images")
    return shape[1:]


def _called(part, shape, name: str, what: str):
    try:
        return part(keras.Input(shape))
    except ModelError:
        raise
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{name} does not take {what} of shape {shape}: start it with keras.Input({shape}). Keras says: "
            f"{str(error).strip().splitlines()[0]}"
        ) from None


def _is_one(outputs) -> bool:
    return not isinstance(outputs, list | tuple | dict)


def _latents(encoded, outputs: int, kind: str) -> tuple:
    if isinstance(encoded, dict):
        raise ModelError(
            f"the encoder of {kind} gives a dictionary of {', '.join(encoded)}; it must give "
            f"{'one tensor' if outputs == 1 else 'a list of two, mean and log variance'}"
        )
    if outputs == 1 and not _is_one(encoded):
        raise ModelError(
            f"the encoder of {kind} must give one tensor; it gives {len(encoded)}. An encoder that gives mean and log "
            "variance is one of VariationalAutoencoder"
        )
    if outputs == 2:
        shapes = [] if _is_one(encoded) else [tuple(part.shape[1:]) for part in encoded]
        if len(shapes) != 2 or shapes[0] != shapes[1]:
            found = f"one tensor of shape {tuple(encoded.shape[1:])}" if _is_one(encoded) else f"shapes {shapes}"
            raise ModelError(
                f"the encoder of {kind} must give mean and log variance, two tensors of one shape; it gives {found}: "
                "end it with keras.Model(inputs, [mean, log_variance])"
            )
        return shapes[0]
    latents = tuple(encoded.shape[1:])
    if len(latents) not in (1, 3) or latents[-1] is None:
        raise ModelError(
            f"the encoder of {kind} gives latents of shape {latents}; they must be (n,) or (rows, columns, channels)"
        )
    return latents


def _agree(found: tuple, wanted: tuple) -> bool:
    return len(found) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(found, wanted, strict=True)
    )


def resized(part: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """Return ``part`` for inputs of another shape (without the batch): the same layers, the same weights.

    What is no functional model, or leaves its sizes open, takes the other shape as it is.
    """
    if not isinstance(part, keras.models.Model) or not hasattr(part, "inputs") or not part.inputs:
        return part
    if tuple(part.inputs[0].shape[1:]) == tuple(shape) or None in part.inputs[0].shape[1:-1]:
        return part
    # Keras imports it to copy a model.
    load_tensorflow_quietly()
    try:
        return keras.models.clone_model(
            part,
            input_tensors=keras.Input(shape, name=part.inputs[0].name),
            clone_function=lambda layer: layer,
        )
    except (ValueError, TypeError) as error:
        raise ModelError(f"{part.name} does not take inputs of shape {shape}: {str(error).splitlines()[0]}") from None


def spatial_form(encoder, decoder, image_shape, latent_shape) -> tuple[bool, int]:
    """Return whether the networks take images of any size, and the stride that sides must be multiples of.

    Found by asking what shapes they give at other sizes. Where the size is fixed the stride is 1.
    """
    if len(latent_shape) != 3:
        return False, 1
    open_size = None in image_shape[:2]
    height, width = (256 if side is None else side for side in image_shape[:2])
    try:
        rows, columns = _grid(encoder, (height, width, image_shape[-1]))
    except (ModelError, ValueError, TypeError):
        return False, 1
    if height % rows or width % columns or height // rows != width // columns:
        return False, 1
    ratio = height // rows
    stride = ratio
    while stride <= max(height, width):
        if _works(encoder, decoder, (height + stride, width + 2 * stride), image_shape[-1], ratio):
            return True, stride
        stride *= 2
    if open_size:
        raise ModelError(
            f"the networks leave the size of images open, but at {height + ratio}×{width + 2 * ratio} pixels the "
            f"decoder does not give back the size that the encoder took; give keras.Input a size"
        )
    return False, 1


def _grid(encoder, shape) -> tuple[int, int]:
    encoded = resized(encoder, shape)(keras.Input(shape))
    encoded = encoded if _is_one(encoded) else encoded[0]
    return encoded.shape[1], encoded.shape[2]


def _works(encoder, decoder, size, channels: int, ratio: int) -> bool:
    shape = (*size, channels)
    try:
        encoded = resized(encoder, shape)(keras.Input(shape))
        encoded = encoded if _is_one(encoded) else encoded[0]
        latents = tuple(encoded.shape[1:])
        if latents[:2] != (size[0] // ratio, size[1] // ratio) or size[0] % ratio or size[1] % ratio:
            return False
        return tuple(resized(decoder, latents)(keras.Input(latents)).shape[1:]) == shape
    except (ModelError, ValueError, TypeError):
        return False


def check_sides(model, image_shape) -> None:
    """Raise ``ModelError`` where ``model`` does not take images of ``image_shape`` (height, width, channels)."""
    if not _agree(tuple(image_shape), model.image_shape):
        raise ModelError(
            f"the images are of shape {tuple(image_shape)} (height, width, channels); {model.name} takes "
            f"{model.image_shape}: give images of that shape, or build the model for theirs"
        )
    height, width = image_shape[:2]
    if height % model.stride or width % model.stride:
        raise ModelError(
            f"the images are {height}×{width} pixels; the sides that {model.name} takes are multiples of its stride, "
            f"{model.stride}: crop them or change the model"
        )


def check_images(images, image_shape, name: str) -> None:
    """Raise ``ModelError`` where an array is no batch of images for the model; other kinds of data pass unseen."""
    if not isinstance(images, np.ndarray):
        return
    wanted = "(images, {}, {}, {})".format(*("any" if side is None else side for side in image_shape))
    if images.ndim != 4 or not _agree(images.shape[1:], image_shape):
        raise ModelError(f"{name} takes images of shape {wanted}; got an array of shape {images.shape}")
    if images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise ModelError(f"{name} takes images of uint8, or float in [0, 1]; got {images.dtype}")
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):
        raise ModelError(
            f"{name} takes float images in [0, 1]; these lie in [{low:g}, {high:g}]: give them as uint8, or divide "
            "them by 255"
        )
