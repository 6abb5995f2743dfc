import keras
import numpy as np

from kerasae.layers import RandomFlip


def test_each_image_is_itself_or_its_mirror_image_about_half_of_the_time():
    images = np.random.default_rng(0).uniform(size=(400, 4, 6, 2)).astype("float32")
    seen = keras.ops.convert_to_numpy(RandomFlip(seed=1)(images))
    same = (seen == images).all(axis=(1, 2, 3))
    mirrored = (seen == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    # Five standard deviations of a fair coin.
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / 400**0.5


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back():
    images = np.random.default_rng(0).uniform(size=(64, 4, 6, 1)).astype("float32")
    layer = RandomFlip(seed=1)
    state = keras.ops.convert_to_numpy(layer.generator.state.value).copy()
    first, second = (keras.ops.convert_to_numpy(layer(images)) for _ in range(2))
    assert (first != second).any()
    layer.generator.state.assign(state)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images)), first)
