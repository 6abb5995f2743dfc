"""A matrix for blocks of pixels that starts as the DCT."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.fft import dctn

from kerasae.errors import ModelError
from kerasae.layers import BlockTransform, DepthToSpace, SpaceToDepth
from kerasae.layers.rearrange import cosine_basis


def test_a_block_lies_in_one_position_row_by_row():
    image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    moved = ops.convert_to_numpy(SpaceToDepth(2)(image))
    np.testing.assert_array_equal(moved[0, 0, 0], [0, 1, 4, 5])
    np.testing.assert_array_equal(moved[0, 1, 0], [8, 9, 12, 13])


@pytest.mark.parametrize(("block", "channels"), [(2, 1), (2, 3), (4, 2)])
def test_depth_to_space_undoes_it(block, channels):
    images = np.random.default_rng(0).normal(size=(3, 8, 16, channels)).astype("float32")
    back = DepthToSpace(block)(SpaceToDepth(block)(images))
    np.testing.assert_array_equal(ops.convert_to_numpy(back), images)


def test_shapes_that_do_not_divide_are_refused():
    with pytest.raises(ModelError, match="images of 6×8 do not divide into blocks of 4×4; pad them first"):
        SpaceToDepth(4)(np.zeros((1, 6, 8, 1), "float32"))
    with pytest.raises(ModelError, match="3 channels do not fill blocks of 2×2"):
        DepthToSpace(2)(np.zeros((1, 2, 2, 3), "float32"))


def test_they_work_in_a_functional_model_and_survive_their_config():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, DepthToSpace(2)(SpaceToDepth(2)(inputs)))
    again = keras.Model.from_config(model.get_config())
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(again(images)), images)


RANDOM = np.random.default_rng(0)


def values_of(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize(("block", "colours"), [(2, 1), (8, 1), (4, 3)])
def test_the_basis_is_orthonormal(block, colours):
    basis = cosine_basis(block, colours)
    np.testing.assert_allclose(basis.T @ basis, np.eye(block**2 * colours), atol=1e-12)


def test_gray_coefficients_are_those_of_scipys_dct_from_slow_waves_to_fast():
    images = RANDOM.normal(size=(2, 16, 8, 1)).astype("float32")
    found = values_of(BlockTransform(8, 64, 1, scale=2.0)(images))
    for row in range(2):
        expected = 2 * dctn(images[0, 8 * row : 8 * row + 8, :, 0], norm="ortho")
        np.testing.assert_allclose(np.sort(found[0, row, 0]), np.sort(expected.ravel()), atol=1e-4)
        # 1 of frequency 0, 2 of 1, 3 of 2: row plus column.
        np.testing.assert_allclose(found[0, row, 0, 0], expected[0, 0], atol=1e-4)
        frequencies = np.add.outer(np.arange(8), np.arange(8))
        for frequency in (1, 2, 5):
            first = frequency * (frequency + 1) // 2
            some = np.sort(found[0, row, 0, first : first + frequency + 1])
            np.testing.assert_allclose(some, np.sort(expected[frequencies == frequency]), atol=1e-4)


@pytest.mark.parametrize("colours", [1, 3])
def test_the_inverse_undoes_it_where_no_coefficient_is_left_out(colours):
    images = RANDOM.normal(size=(3, 8, 12, colours)).astype("float32")
    every = 16 * colours
    forward, inverse = (BlockTransform(4, every, colours, inverse=back, scale=1.7) for back in (False, True))
    assert forward.compute_output_shape(images.shape) == (3, 2, 3, every)
    assert inverse.compute_output_shape((3, 2, 3, every)) == images.shape
    np.testing.assert_allclose(values_of(inverse(forward(images))), images, atol=1e-5)


def test_flat_colour_is_one_coefficient_for_each_mix():
    gray = np.full((1, 4, 4, 3), 0.5, "float32")
    found = values_of(BlockTransform(4, 48, 3)(gray))[0, 0, 0]
    assert abs(found[0]) == pytest.approx(0.5 * np.sqrt(48), rel=1e-5)
    np.testing.assert_allclose(found[1:], 0, atol=1e-5)


def test_smooth_pictures_are_in_the_first_coefficients():
    rows, columns = np.mgrid[0:32, 0:32] / 32
    smooth = (np.sin(2 * rows) + columns**2)[None, ..., None].astype("float32")
    found = values_of(BlockTransform(16, 256, 1)(smooth))
    energy = (found**2).sum(axis=(0, 1, 2))
    assert energy[:40].sum() > 0.999 * energy.sum()


def test_channels_beyond_the_numbers_of_a_block_start_as_nothing():
    images = RANDOM.normal(size=(2, 4, 4, 1)).astype("float32")
    forward, inverse = (BlockTransform(2, 6, 1, inverse=back) for back in (False, True))
    coefficients = values_of(forward(images))
    assert coefficients.shape == (2, 2, 2, 6)
    assert not coefficients[..., 4:].any()
    np.testing.assert_allclose(values_of(inverse(coefficients)), images, atol=1e-5)
