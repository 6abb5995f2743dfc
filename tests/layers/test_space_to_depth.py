import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import DepthToSpace, SpaceToDepth


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
