"""The hyper-synthesis that chooses tables: integers throughout, next to the float network it stands for."""

import keras
import numpy as np
import pytest

from kerasae.codec import integer_network
from kerasae.codec.integer_network import ACTIVATION_BITS, KERNEL_BITS, IntegerNetwork, blocks, spread
from kerasae.errors import CodecError
from kerasae.layers import DepthToSpace
from kerasae.models.hyperprior import HyperSynthesis

RANDOM = np.random.default_rng(0)


def synthesis(outputs=6, width=5, channels=3, size=1.0):
    layer = HyperSynthesis(width, outputs)
    layer.build((None, None, None, channels))
    layer.set_weights([size * RANDOM.normal(size=weight.shape) * 0.4 for weight in layer.get_weights()])
    return layer


def in_python(x, kernels, biases):
    """Compute the same in Python's own integers, pixel by pixel."""

    def convolved(x, kernel, bias):
        size = kernel.shape[0]
        rows, columns, inputs = len(x), len(x[0]), len(x[0][0])
        out = []
        for row in range(rows):
            out.append([])
            for column in range(columns):
                values = []
                for output in range(kernel.shape[3]):
                    total = int(bias[output])
                    for down in range(size):
                        for across in range(size):
                            near, beside = row + down - size // 2, column + across - size // 2
                            if 0 <= near < rows and 0 <= beside < columns:
                                total += sum(
                                    x[near][beside][i] * int(kernel[down, across, i, output]) for i in range(inputs)
                                )
                    values.append((total + 2 ** (KERNEL_BITS - 1)) >> KERNEL_BITS)
                out[-1].append(values)
        return out

    def doubled(x):
        rows, columns, channels = len(x), len(x[0]), len(x[0][0]) // 4
        return [
            [
                x[row // 2][column // 2][(2 * (row % 2) + column % 2) * channels :][:channels]
                for column in range(2 * columns)
            ]
            for row in range(2 * rows)
        ]

    for place, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = convolved(x, kernel, bias)
        if place in (0, 2, 4):
            x = [[[max(value, 0) for value in values] for values in row] for row in x]
        elif place in (1, 3):
            x = doubled(x)
    return np.array(x)


def test_blocks_and_spread_undo_each_other_and_do_what_the_layer_does():
    hyper = RANDOM.normal(size=(2, 3, 5, 32)).astype("float32")
    pixels = spread(hyper, 4)
    assert pixels.shape == (2, 12, 20, 2)
    np.testing.assert_array_equal(blocks(pixels, 4), hyper)
    layer = DepthToSpace(4)
    np.testing.assert_array_equal(pixels, keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(hyper))))


def test_other_layers_than_the_usual_are_kept_by_name():
    usual = IntegerNetwork.of(synthesis().export())
    assert "layers" not in usual.arrays()
    kernel, bias = RANDOM.normal(size=(1, 1, 3, 8)), RANDOM.normal(size=8)
    other = IntegerNetwork.of([("convolution", kernel, bias), ("depth_to_space",), ("relu",)])
    start = RANDOM.integers(-40_000, 40_000, (1, 2, 3, 3))
    found = other(start)
    assert found.shape == (1, 4, 6, 2)
    for network in (usual, other):
        again = IntegerNetwork.from_arrays(network.arrays())
        assert again.layers == network.layers
        np.testing.assert_array_equal(again(start), network(start))
    exact = start / 2**ACTIVATION_BITS @ kernel[0, 0] + bias
    np.testing.assert_allclose(found / 2**ACTIVATION_BITS, np.maximum(spread(exact, 2), 0), atol=0.01)


def test_it_equals_arithmetic_in_pythons_integers():
    integers = IntegerNetwork.of(synthesis().export())
    start = RANDOM.integers(-40_000, 40_000, (1, 2, 3, 3))
    expected = in_python(start[0].tolist(), integers.kernels, integers.biases)
    np.testing.assert_array_equal(integers(start)[0], expected)


def test_it_is_near_the_float_network():
    layer = synthesis()
    start = RANDOM.normal(0, 3, (4, 2, 2, 3))
    exact = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(start.astype("float32"))))
    unit = 2.0**ACTIVATION_BITS
    found = IntegerNetwork.of(layer.export())(np.rint(start * unit)) / unit
    # Six roundings to 2^−13 at most, and kernels to 2^−15, of sums over a few tens of numbers of size 1 to 10.
    assert np.abs(found - exact).max() < 0.02
    assert np.abs(found - exact).mean() < 0.003


def test_activations_beyond_the_range_saturate_and_stay_integers():
    integers = IntegerNetwork.of(synthesis().export())
    found = integers(np.full((1, 1, 1, 3), 2.0**40))
    assert np.abs(found).max() <= integer_network.LARGEST_ACTIVATION
    np.testing.assert_array_equal(found, np.rint(found))


def test_a_large_image_gives_the_same_integers_as_its_parts_would(monkeypatch):
    integers = IntegerNetwork.of(synthesis().export())
    start = RANDOM.integers(-40_000, 40_000, (2, 9, 13, 3))
    at_once = integers(start)
    monkeypatch.setattr(integer_network, "SIDE_AT_ONCE", 4)
    np.testing.assert_array_equal(integers(start), at_once)


def test_weights_that_no_sane_training_gives_are_refused():
    with pytest.raises(CodecError, match="too large to be computed with exactly"):
        IntegerNetwork.of(synthesis(size=1e6).export())
