"""Training images changed at random: mirrored, moved, stretched, noisy."""

import math

import keras
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class RandomFlip(keras.layers.Layer):
    """Turn left to right, each image with probability one half.

    The generator belongs to the layer, as that of ``GaussianCorruption`` does, so that a resumed training draws what an
    uninterrupted one would have.

    Input and output: images ``(batch, height, width, channels)`` of any type.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images, about half of them mirrored."""
        draw = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.generator)
        return ops.where(draw < 0.5, ops.flip(images, axis=2), images)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}


@keras.saving.register_keras_serializable(package="kerasae")
class RandomShift(keras.layers.Layer):
    """Move a batch of images by up to ``most`` pixels up or down and to either side, the edge repeated.

    All images of a batch move alike, which costs next to nothing; batches are shuffled, so that each image is seen in
    every place in the end. The generator belongs to the layer, as that of ``RandomFlip``
    does.

    Input and output: images ``(batch, height, width, channels)`` of any type. Raises ``ModelError`` for ``most`` < 1.
    """

    def __init__(self, most: int, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if most < 1:
            raise ModelError(f"most = {most} moves nothing; it is a number of pixels of 1 or more")
        self.most = most
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images, all moved alike."""
        rows, columns = (self._places(side) for side in images.shape[1:3])
        return ops.take(ops.take(images, rows, axis=1), columns, axis=2)

    def _places(self, side: int):
        """Return which row (or column) is shown in the place of each."""
        start = keras.random.randint((), -self.most, self.most + 1, seed=self.generator)
        return ops.clip(ops.arange(side, dtype="int32") + ops.cast(start, "int32"), 0, side - 1)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"most": self.most, "seed": self.seed}


@keras.saving.register_keras_serializable(package="kerasae")
class RandomStretch(keras.layers.Layer):
    """Enlarge or shrink half of the images of a batch, each by factors of its own for height and width.

    The logarithms of both factors are uniform within ±ln(1 + ``most``). An enlarged image is a part of the original
    from anywhere in it; a shrunk one lies anywhere in the frame, mirrored at its edges. Values in between come from
    cubic convolution (Keys 1981, "Cubic convolution interpolation for digital image processing"), rounded to whole
    numbers within [0, 255], so that every image is one that an 8-bit file can hold. The other half of the images are as
    they came: resampling takes away the finest grain, and the model is to see that too. The generator belongs to the
    layer, as that of ``RandomFlip`` does.

    Input and output: images ``(batch, height, width, channels)`` of intensities 0 to 255, of any type. Raises
    ``ModelError`` for ``most`` of 0 or below, or above 1.
    """

    def __init__(self, most: float, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not 0 < most <= 1:
            raise ModelError(f"most = {most} is out of range; it is a share above 0 and up to 1, 0.2 for 20 %")
        self.most = float(most)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images, half of them stretched."""
        count = ops.shape(images)[0]
        draws = keras.random.uniform((5, count, 1), seed=self.generator)
        stretched = draws[0] < 0.5
        height, width = images.shape[1:3]
        down = self._resampling(draws[1], draws[2], stretched, height)
        across = self._resampling(draws[3], draws[4], stretched, width)
        found = ops.einsum("bih,bhwc->biwc", down, ops.cast(images, "float32"))
        found = ops.einsum("bjw,biwc->bijc", across, found)
        return ops.cast(ops.clip(ops.round(found), 0.0, 255.0), images.dtype)

    def _resampling(self, size, place, stretched, side: int):
        """Return the matrices ``(batch, side, side)`` that resample rows (or columns)."""
        step = ops.exp((2.0 * size - 1.0) * math.log1p(self.most))
        step = ops.where(stretched, step, 1.0)
        # From the first place on to ``(side − 1) · step`` further; both ends inside where the step is below 1.
        first = (1.0 - step) * (side - 1.0) * place
        places = ops.abs(first + step * ops.arange(side, dtype="float32"))
        places = ops.clip((side - 1.0) - ops.abs((side - 1.0) - places), 0.0, side - 1.0)
        weights = _keys(ops.abs(places[..., None] - ops.arange(side, dtype="float32")))
        # At the edges a neighbour is missing.
        return weights / ops.sum(weights, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"most": self.most, "seed": self.seed}


def _keys(distance):
    """Return the weights of samples so far away, in pixels; 1 at 0, and 0 at every other whole number."""
    near = (1.5 * distance - 2.5) * distance**2 + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return ops.where(distance < 1.0, near, ops.where(distance < 2.0, far, 0.0))


@keras.saving.register_keras_serializable(package="kerasae")
class GaussianCorruption(keras.layers.Layer):
    """Add Gaussian noise of standard deviation ``sigma`` and clip to [0, 1].

    Keras' own ``GaussianNoise`` neither clips nor draws outside training. The generator belongs to the layer, so that
    its state is saved and restored with the model's other variables.

    Input and output: images ``(batch, height, width, channels)`` in [0, 1]. Raises ``ModelError`` for a sigma outside
    [0, 1].
    """

    def __init__(self, sigma: float = 0.1, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= sigma <= 1:
            raise ModelError(f"sigma = {sigma} is out of range; it is a standard deviation in [0, 1] intensity")
        self.sigma = float(sigma)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images with fresh noise."""
        if self.sigma == 0:
            return images
        noise = keras.random.normal(ops.shape(images), dtype=images.dtype, seed=self.generator)
        return ops.clip(images + self.sigma * noise, 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"sigma": self.sigma, "seed": self.seed}
