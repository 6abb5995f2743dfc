"""A branch that comes in as it learns to help."""

import keras
import numpy as np

from kerasae.layers import ChannelScale


def test_it_starts_at_nothing_and_multiplies_each_channel():
    layer = ChannelScale()
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    assert not np.asarray(keras.ops.convert_to_numpy(layer(images))).any()
    layer.scale.assign(np.arange(4, dtype="float32"))
    found = np.asarray(keras.ops.convert_to_numpy(layer(images)))
    np.testing.assert_allclose(found, images * np.arange(4), rtol=1e-6)
