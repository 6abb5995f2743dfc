"""A small convolutional network in exact integers, and channels ↔ squares of positions, in NumPy.

Float results differ between machines in their last bits, and one such bit is enough to lose a file.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from kerasae.errors import CodecError


def blocks(grid: np.ndarray, block: int) -> np.ndarray:
    """Return ``(images, rows/block, columns/block, block²·channels)`` of ``(images, rows, columns, channels)``."""
    images, rows, columns, channels = grid.shape
    parts = grid.reshape(images, rows // block, block, columns // block, block, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(images, rows // block, columns // block, block**2 * channels)


def spread(grid: np.ndarray, block: int) -> np.ndarray:
    """Undo ``blocks``."""
    images, rows, columns, channels = grid.shape
    parts = grid.reshape(images, rows, columns, block, block, channels // block**2).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(images, rows * block, columns * block, channels // block**2)


def split_passes(grid: np.ndarray, passes: int) -> list[np.ndarray]:
    """Return what each pass codes of ``(images, rows, columns, channels)``, the whole for a single pass.

    Of several, each has ``(images, rows/2, columns/2, 4·channels/passes)``.
    """
    if passes == 1:
        return [grid]
    images, rows, columns, channels = grid.shape
    parts = [np.empty((images, rows // 2, columns // 2, 4 * channels // passes), grid.dtype) for _ in range(passes)]
    for place, own, seen in _of_passes(grid, passes):
        parts[place][..., own] = seen
    return parts


def join_pass(grid: np.ndarray, part: np.ndarray, place: int, passes: int) -> None:
    """Write what pass number ``place`` codes to where ``split_passes`` takes it from."""
    if passes == 1:
        grid[...] = part
    else:
        for one, own, seen in _of_passes(grid, passes):
            if one == place:
                seen[...] = part[..., own]


def _of_passes(grid: np.ndarray, passes: int) -> Iterator[tuple[int, slice, np.ndarray]]:
    """Yield the number of a pass, some of its channels, and the view of ``grid`` that they are.

    Four quarters of the channels, number 0 to 3, take the positions 0, 3, 1, 2 of each 2×2 square, the diagonal first,
    XOR their number: each pass has every position, in one quarter of the channels.
    """
    channels = grid.shape[-1]
    quarters = [(int(part[0]), int(part[-1]) + 1) for part in np.array_split(range(channels), 4) if len(part)]
    for turn, position in enumerate((0, 3, 1, 2)):
        place, first = turn * passes // 4, turn % (4 // passes) * channels
        for number, (low, high) in enumerate(quarters):
            row, column = divmod(position ^ number, 2)
            yield place, slice(first + low, first + high), grid[:, row::2, column::2, low:high]


def in_parts(compute: Callable, *grids: np.ndarray, side: int, halo: int = 0) -> list[np.ndarray]:
    """Return what ``compute`` gives of ``grids``, ``(images, rows, columns, channels)`` each, square by square.

    A square of ``side`` rows and columns is seen with ``halo`` more around it, which must be as far as anything in it
    depends on; at the borders of the whole it has none, so that they are what they are in one piece. ``compute``
    returns a list of arrays, whose rows and columns may be some multiple of what it is given, or some part.
    """
    images, height, width, _ = grids[0].shape
    outputs: list[np.ndarray] = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            y, x = max(top - halo, 0), max(left - halo, 0)
            parts = [grid[:, y : top + side + halo, x : left + side + halo] for grid in grids]
            found = compute(*parts)
            sizes = [Fraction(one.shape[1], parts[0].shape[1]) for one in found]
            outputs = outputs or [
                np.empty((images, int(height * size), int(width * size), one.shape[3]), one.dtype)
                for one, size in zip(found, sizes, strict=True)
            ]
            for one, output, size in zip(found, outputs, sizes, strict=True):
                low, high, first, last = (int(at * size) for at in (top, top + side, left, left + side))
                place = output[:, low:high, first:last]
                down, across = int((top - y) * size), int((left - x) * size)
                place[...] = one[:, down : down + place.shape[1], across : across + place.shape[2]]
    return outputs


# Activations are multiples of 2^−12, kernels of 2^−14.
ACTIVATION_BITS = 12
KERNEL_BITS = 14
# Activations saturate at ±2^21, which stands for ±512.
LARGEST_ACTIVATION = 2.0**21
_EXACT = 2.0**53
# A larger grid goes through in squares of so many positions a side.
SIDE_AT_ONCE = 32


_OPERATIONS = ("convolution", "relu", "depth_to_space")
# The hyper-synthesis of the models so far, which ``codec.npz`` does not spell out.
_USUAL = (*("convolution", "relu", "convolution", "depth_to_space") * 2, "convolution", "relu", "convolution")


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Layers in the order they are applied: ``convolution`` (of stride 1, zeros around), ``relu``, ``depth_to_space``
    (by 2). Kernels ``(k, k, inputs, outputs)`` and biases ``(outputs,)`` are those of the convolutions, integers.
    """

    layers: tuple[str, ...]
    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, exported: Sequence[tuple]) -> "IntegerNetwork":
        """Return in integers what a model exports: ``("convolution", kernel, bias)``, ``("relu",)`` and so on.

        Raises ``CodecError`` where a sum could leave the exact range: weights of a model that is not sane.
        """
        weights = [layer[1:] for layer in exported if layer[0] == "convolution"]
        kernels = tuple(np.rint(kernel * 2**KERNEL_BITS) for kernel, _ in weights)
        biases = tuple(np.rint(bias * 2 ** (KERNEL_BITS + ACTIVATION_BITS)) for _, bias in weights)
        for kernel, bias in zip(kernels, biases, strict=True):
            largest = np.abs(kernel).sum(axis=(0, 1, 2)) * LARGEST_ACTIVATION + np.abs(bias)
            if not largest.max() < _EXACT or np.abs(kernel).max() >= 2**31:
                raise CodecError(
                    "the weights of the hyper-synthesis are too large to be computed with exactly; the model has not "
                    "been trained to anything sane: train it again with a lower learning rate"
                )
        return cls(
            tuple(layer[0] for layer in exported),
            tuple(kernel.astype(np.int32) for kernel in kernels),
            tuple(bias.astype("i8") for bias in biases),
        )

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        """Return ``(images, rows, columns, outputs)`` of ``parts``, whose channels lie one after the other.

        Hyper-latents lie on their own, coarser grid. All are integers in floats, multiples of 2^−12 of what they stand
        for; the result, at most ±2^21, is exact in its float32.
        """
        return self.then(lambda found, *_: [found], *parts)[0]

    def then(self, finish: Callable[..., list[np.ndarray]], *parts: np.ndarray) -> list[np.ndarray]:
        """Return what ``finish(result, *parts)`` does, square by square, without the whole result in memory."""
        return in_parts(
            lambda *some: finish(self._whole(some), *some), *parts, side=SIDE_AT_ONCE, halo=math.ceil(self.reach)
        )

    def _whole(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        x = np.concatenate([part.astype(np.float64) for part in parts], axis=-1)
        np.clip(x, -LARGEST_ACTIVATION, LARGEST_ACTIVATION, out=x)
        weights = iter(self._in_float64)
        for layer in self.layers:
            if layer == "convolution":
                x = _convolved(x, *next(weights))
            else:
                x = np.maximum(x, 0.0, out=x) if layer == "relu" else spread(x, 2)
        return x.astype(np.float32)

    @property
    def reach(self) -> float:
        """How far it sees, in positions of its input."""
        reach, step, kernels = 0.0, 1.0, iter(self.kernels)
        for layer in self.layers:
            if layer == "convolution":
                reach += next(kernels).shape[0] // 2 * step
            elif layer == "depth_to_space":
                step /= 2
        return reach

    def arrays(self) -> dict[str, np.ndarray]:
        """Return layers and weights by name, of fixed types."""
        unusual = self.layers != _USUAL
        arrays = {"layers": np.array([_OPERATIONS.index(one) for one in self.layers], "u1")} if unusual else {}
        for place, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            arrays |= {f"kernel_{place}": kernel.astype("<i4"), f"bias_{place}": bias.astype("<i8")}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "IntegerNetwork":
        """Return the network whose ``arrays`` are among these."""
        layers = tuple(_OPERATIONS[code] for code in arrays["layers"]) if "layers" in arrays else _USUAL
        places = range(layers.count("convolution"))
        return cls(
            layers,
            tuple(arrays[f"kernel_{place}"] for place in places),
            tuple(arrays[f"bias_{place}"] for place in places),
        )

    @cached_property
    def _in_float64(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The same integers as BLAS takes them, converted once for all images."""
        pairs = zip(self.kernels, self.biases, strict=True)
        return [(kernel.astype(np.float64), bias.astype(np.float64)) for kernel, bias in pairs]


def _convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    size, _, inputs, outputs = kernel.shape
    images, rows, columns, _ = x.shape
    if size > 1:
        x = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    if size == 1:
        sums = x.reshape(-1, inputs) @ kernel[0, 0]
    else:
        parts = [x[:, row : row + rows, column : column + columns] for row in range(size) for column in range(size)]
        sums = np.concatenate(parts, -1).reshape(-1, size * size * inputs) @ kernel.reshape(-1, outputs)
    # A division by a power of two and floor are exact; half a unit makes it rounding to nearest.
    sums += bias + 2.0 ** (KERNEL_BITS - 1)
    sums *= 2.0**-KERNEL_BITS
    np.floor(sums, out=sums)
    np.clip(sums, -LARGEST_ACTIVATION, LARGEST_ACTIVATION, out=sums)
    return sums.reshape(images, rows, columns, outputs)
