"""The numbers and blocks of the folder's derivation."""

from keras import ops


def geometry(size: int) -> tuple[int, int, int]:
    """Return K, b and f of the folder's docstring."""
    padding = max(size - 2, 0) // 2
    before = (padding + 1) // 2
    front = padding % 2
    return (front + size + 1) // 2, before, front


def block_taps(kernel):
    """Return W of the folder's docstring in both axes: ``(K, 2, K, 2, channels, filters)``."""
    size, _, channels, filters = kernel.shape
    blocks, _, front = geometry(size)
    sides = (front, 2 * blocks - front - size)
    return ops.reshape(ops.pad(kernel, (sides, sides, (0, 0), (0, 0))), (blocks, 2, blocks, 2, channels, filters))


def pad(images, before: int, after: int):
    """Return ``images`` with zeros before and after their rows and their columns."""
    return ops.pad(images, ((0, 0), (before, after), (before, after), (0, 0))) if before or after else images
