"""What stands for rounding in training, and the quantizer's steps at each quality."""

import keras
import numpy as np
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class UniformNoise(keras.layers.Layer):
    """Add independent noise, uniform on [−½, ½], to every element: training's stand-in for rounding to integers.

    A density of the sum, taken at the integers, is what rounding would give: Ballé, Laparra, Simoncelli 2017,
    "End-to-end optimized image compression". The generator belongs to the layer, as that of ``GaussianCorruption``
    does, so that a resumed training draws what an uninterrupted one would have. Noise is drawn on every call; whether
    to add it is the caller's choice.

    Input and output: floats of any shape.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x):
        """Return ``x`` with fresh noise."""
        return x + keras.random.uniform(ops.shape(x), -0.5, 0.5, dtype=x.dtype, seed=self.generator)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}


@keras.saving.register_keras_serializable(package="kerasae")
def straight_through_round(x):
    """Return ``x`` rounded to the nearest integers, halves to even, with the gradient of the identity.

    Any shape of floats. The value is exactly ``round(x)``: what is added to it is ``x − x``. Straight-through estimate:
    Bengio, Léonard, Courville 2013, "Estimating or propagating gradients through stochastic neurons for conditional
    computation"; for image compression: Theis, Shi, Cunningham, Huszár 2017, "Lossy image compression with compressive
    autoencoders".
    """
    x = ops.convert_to_tensor(x)
    return ops.stop_gradient(ops.round(x)) + (x - ops.stop_gradient(x))


def level_shares(quality, levels: int):
    """Return ``(batch, levels)``: how much of each level a quality is, by linear interpolation.

    ``quality`` is ``(batch,)`` from 1 to ``levels``; what lies outside counts as the end that is nearer.
    """
    place = ops.clip(ops.cast(quality, "float32") - 1.0, 0.0, levels - 1.0)
    return ops.relu(1.0 - ops.abs(place[:, None] - ops.arange(levels, dtype="float32")))


@keras.saving.register_keras_serializable(package="kerasae")
class QualityGains(keras.layers.Layer):
    """A quantizer step per quality level and channel, and what the decoder multiplies by beyond undoing it.

    Level vectors as in Cui, Wang, Gao, Guo, Feng, Bai 2021, "Asymmetric gained deep image compression with continuous
    rate adaptation": the gain is 1 / ``step``, the inverse gain ``step · correction``. Between levels the logarithms
    are interpolated, so any quality from 1 to ``levels`` has its vectors. The steps start in equal ratios: ``span`` is
    the first level's over the last's, 1 in the geometric middle. Corrections start at 1.
    """

    def __init__(self, levels: int, channels: int, *, span: float = 1.0, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        if levels < 1 or span <= 0:
            raise ModelError(f"{levels} levels over a span of {span}; it needs 1 level or more and a span above 0")
        self.levels = levels
        self.channels = channels
        self.span = float(span)
        start = np.linspace(0.5, -0.5, levels) * np.log(self.span) if levels > 1 else np.zeros(1)

        def initial(shape, dtype=None):
            return ops.convert_to_tensor(np.broadcast_to(start[:, None], shape).astype("float32"))

        shape = (levels, channels)
        self.log_steps = self.add_weight(name="log_steps", shape=shape, initializer=initial, autocast=False)
        self.log_corrections = self.add_weight(name="log_corrections", shape=shape, initializer="zeros", autocast=False)
        self.built = True

    def call(self, quality):
        """Return ``(steps, corrections)``, both ``(batch, 1, 1, channels)``, for qualities ``(batch,)`` from 1 on."""
        shares = level_shares(quality, self.levels)
        return tuple(
            ops.exp(ops.matmul(shares, ops.convert_to_tensor(logs)))[:, None, None, :]
            for logs in (self.log_steps, self.log_corrections)
        )

    def steps(self, quality: float) -> tuple[np.ndarray, np.ndarray]:
        """Return what ``call`` does for one quality, ``(channels,)`` NumPy float64 each."""
        place = min(max(quality - 1.0, 0.0), self.levels - 1.0)
        low = min(int(place), max(self.levels - 2, 0))
        share = place - low
        both = []
        for weight in (self.log_steps, self.log_corrections):
            logs = ops.convert_to_numpy(weight).astype(np.float64)
            both.append(np.exp((1 - share) * logs[low] + share * logs[min(low + 1, self.levels - 1)]))
        return both[0], both[1]

    def compute_output_shape(self, input_shape):
        """Return the shapes of steps and corrections."""
        shape = (input_shape[0], 1, 1, self.channels)
        return shape, shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"levels": self.levels, "channels": self.channels, "span": self.span}
