"""The hyperprior: hyper-latents tell how latents are distributed."""

import math
from itertools import cycle

import keras
import numpy as np
from keras import layers, ops

from kerasae.entropy import (
    Bottleneck,
    Density,
    FactorizedBottleneck,
    GaussianDensity,
    centres_and_scales,
    quantization_proxy,
)
from kerasae.entropy.bottlenecks import try_moves
from kerasae.layers import DepthToSpace, GlorotUniform, QualityGains, SpaceToDepth, UniformNoise
from kerasae.layers.rearrange import depth_to_space

# Hyper-latents have a quarter of the latents' rows and columns.
HYPER_STRIDE = 4


@keras.saving.register_keras_serializable(package="kerasae")
class HyperAnalysis(layers.Layer):
    """Latents → hyper-latents: what varies from place to place in how large latents are.

        y (batch, rows, columns, channels) ─conv 3×3, gelu─halve─conv 3×3, gelu─halve─conv 1×1─▶ z (batch, rows/4,
        columns/4, hyper_channels)

    With ``of_sizes`` it sees |y| (Ballé, Minnen, Singh, Hwang, Johnston 2018); a hyperprior with means needs the signs.
    Halving is space-to-depth by 2. Computed in float32, being small. Takes any number of rows and
    columns that divide by 4.
    """

    def __init__(self, width: int, hyper_channels: int, *, of_sizes: bool, regularizer=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.width = width
        self.hyper_channels = hyper_channels
        self.of_sizes = of_sizes
        self.regularizer = regularizer
        self.halving = SpaceToDepth(2, name="halve")
        conv = _conv(regularizer)
        self.convolutions = [conv(width, 3, "first"), conv(width, 3, "second"), conv(hyper_channels, 1, "third")]

    def build(self, input_shape):
        """Make the weights for so many channels."""
        for layer, channels in zip(self.convolutions, (input_shape[-1], 4 * self.width, 4 * self.width), strict=True):
            layer.build((None, None, None, channels))
        self.halving.build((None, None, None, self.width))
        self.built = True

    def call(self, latents):
        """Return hyper-latents, not rounded yet."""
        first, second, third = self.convolutions
        x = ops.abs(latents) if self.of_sizes else latents
        x = self.halving(ops.gelu(first(x)))
        return third(self.halving(ops.gelu(second(x))))

    def compute_output_shape(self, input_shape):
        """Return the shape of the hyper-latents."""
        batch, rows, columns, _ = input_shape
        return batch, rows // HYPER_STRIDE, columns // HYPER_STRIDE, self.hyper_channels


@keras.saving.register_keras_serializable(package="kerasae")
class HyperSynthesis(layers.Layer):
    """Hyper-latents → what is known of each latent before it is read.

        ẑ (batch, rows/4, columns/4, hyper_channels) ─conv 3×3, relu─conv 1×1, double─conv 3×3, relu─conv 1×1, double
        ─conv 3×3, relu─conv 1×1─▶ (batch, rows, columns, outputs)

    Doubling is depth-to-space by 2. Convolutions, ReLUs and moves of pixels only: coding runs what ``export`` gives in
    integers (``codec.integer_network``), since float results differ between machines in their last bits and one such
    bit is enough to lose a file.
    """

    def __init__(self, width: int, outputs: int, *, regularizer=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.width = width
        self.outputs = outputs
        self.regularizer = regularizer
        self.doubling = DepthToSpace(2, name="double")
        conv = _conv(regularizer)
        sizes = [(width, 3), (4 * width, 1), (width, 3), (4 * width, 1), (width, 3), (outputs, 1)]
        self.convolutions = [conv(*size, f"conv_{place}") for place, size in enumerate(sizes)]

    def build(self, input_shape):
        """Make the weights for so many channels."""
        for place, layer in enumerate(self.convolutions):
            layer.build((None, None, None, self.width if place else input_shape[-1]))
        self.doubling.build((None, None, None, 4 * self.width))
        self.built = True

    def call(self, hyper_latents):
        """Return ``(batch, rows, columns, outputs)``."""
        x = hyper_latents
        for place, layer in enumerate(self.convolutions[:-1]):
            x = layer(x)
            x = self.doubling(x) if place % 2 else ops.relu(x)
        return self.convolutions[-1](x)

    def export(self) -> list[tuple]:
        """Return the layers in the order they are applied, with kernel and bias as NumPy float64."""
        return _exported(self.convolutions, ("relu", "depth_to_space"))[:-1]

    def compute_output_shape(self, input_shape):
        """Return the shape of what is known."""
        batch, rows, columns, _ = input_shape
        return batch, rows * HYPER_STRIDE, columns * HYPER_STRIDE, self.outputs


def _exported(convolutions: list, between: tuple[str, ...]) -> list[tuple]:
    """Return convolutions with their weights as NumPy float64, each followed by one of what lies ``between``."""
    exported: list[tuple] = []
    for layer, name in zip(convolutions, cycle(between)):
        weights = (ops.convert_to_numpy(weight).astype("float64") for weight in (layer.kernel, layer.bias))
        exported += [("convolution", *weights), (name,)]
    return exported


def _conv(regularizer):
    def conv(width, kernel_size, name):
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=regularizer,
            dtype="float32",
            name=name,
        )

    return conv


# Of the four positions of a 2×2 square, numbered row by row, the order in which the first quarter of the channels is
# coded: the diagonal first. Another quarter takes them in the order that is this one XOR its number, so that each pass
# has every position, in one quarter of the channels.
SQUARE_ORDER = (0, 3, 1, 2)


def split_passes(x, passes: int) -> list:
    """Return what each pass codes of ``(batch, rows, columns, channels)``, the whole for a single pass.

    Of several, each has ``(batch, rows/2, columns/2, 4·channels/passes)``. The quadtree of Li, Li, Lu 2023, "Neural
    video compression with diverse contexts"; in two passes it is the dual prior of Wang et al. 2023, "EVC: towards
    real-time neural image compression with mask decay".
    """
    if passes == 1:
        return [x]
    quarters = [[group[:, place // 2 :: 2, place % 2 :: 2] for place in range(4)] for group in _quarters_of(x)]
    steps = [[quarter[place ^ number] for number, quarter in enumerate(quarters)] for place in SQUARE_ORDER]
    together = 4 // passes
    return [
        ops.concatenate([one for step in steps[at : at + together] for one in step], axis=-1)
        for at in range(0, 4, together)
    ]


def join_passes(parts: list, passes: int):
    """Undo ``split_passes``."""
    if passes == 1:
        return parts[0]
    steps = [one for part in parts for one in ops.split(part, 4 // passes, axis=-1)]
    groups = zip(*map(_quarters_of, steps), strict=True)
    squares = []
    for number, group in enumerate(groups):
        placed = dict(zip((place ^ number for place in SQUARE_ORDER), group, strict=True))
        squares.append(depth_to_space(ops.concatenate([placed[place] for place in range(4)], axis=-1), 2))
    return ops.concatenate(squares, axis=-1)


def _quarters_of(x) -> list:
    """Return the channels in four nearly equal parts."""
    ends = np.cumsum([len(part) for part in np.array_split(np.arange(x.shape[-1]), 4)])
    return ops.split(x, [int(end) for end in ends[:-1]], axis=-1)


@keras.saving.register_keras_serializable(package="kerasae")
class ContextNetwork(layers.Layer):
    """What was decoded in earlier passes → what it changes of log-scale and mean of the next.

        [distances from their means of all decoded; log-scale − log-step; mean] (batch, rows/2, columns/2, …)
        ─conv 1×1, relu─conv 3×3, relu─conv 1×1─▶ (batch, rows/2, columns/2, 2·coded)

    ``initialize_from`` lets it change nothing at first. Coding runs it in integers, as ``HyperSynthesis``.
    """

    def __init__(self, width: int, known: int, coded: int, *, regularizer=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.width = width
        self.known = known
        self.coded = coded
        conv = _conv(regularizer)
        self.convolutions = [conv(width, 1, "first"), conv(width, 3, "second"), conv(2 * coded, 1, "third")]
        for layer, channels in zip(self.convolutions, (known + 2 * coded, width, width), strict=True):
            layer.build((None, None, None, channels))
        self.built = True

    def call(self, inputs):
        """Return the changes."""
        first, second, third = self.convolutions
        return third(ops.relu(second(ops.relu(first(inputs)))))

    def initialize_from(self, centres: np.ndarray, scales: np.ndarray) -> None:
        """Take latents of such centres and scales, ``(channels,)``, as evenly as those of scale 1; change nothing."""
        kernel, bias = self.convolutions[0].weights
        found = ops.convert_to_numpy(kernel).copy()
        found[:, :, : self.known] /= np.tile(scales, self.known // len(scales))[:, None]
        means = found[:, :, self.known + self.coded :]
        means /= np.tile(scales, self.coded // len(scales))[:, None]
        kernel.assign(found)
        bias.assign(-np.tile(centres, self.coded // len(centres)) @ means[0, 0])
        last = self.convolutions[-1].kernel
        last.assign(np.zeros(last.shape, "float32"))

    def export(self) -> list[tuple]:
        """Return the layers in the order they are applied, with kernel and bias as NumPy float64."""
        return _exported(self.convolutions, ("relu",))[:-1]

    def compute_output_shape(self, input_shape):
        """Return the shape of the changes."""
        return *input_shape[:-1], 2 * self.coded


_MOST_LOG_SCALE = 7.0


class HyperpriorBottleneck(Bottleneck):
    """Rounded latents y, each under N(mean, scale²) with scale (and mean) decoded from rounded hyper-latents z.

        encoded y ──HyperAnalysis──▶ z ──round or noise──▶ ẑ ──density──▶ rate of ẑ
            │                                             │
            │                                       HyperSynthesis
            │                                             ▼
            └──round((y − mean) / s)·s + mean, or noise──▶ ŷ ──N(mean, scale²)──▶ rate of ŷ

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior"; with
    ``with_mean`` Minnen, Ballé, Toderici 2018, "Joint autoregressive and hierarchical priors for learned image
    compression". Steps s and corrections of both come from gains at ``quality``, as in ``FactorizedBottleneck``. The
    rate, ``(batch,)`` nats, is that of both; ``quantization`` as there.

    With 2 or 4 ``passes`` latents are coded in so many, ``split_passes``, and from the second on a ``ContextNetwork``
    of ``context_width`` channels corrects scale and mean by what was decoded before.
    """

    coder = "hyperprior"

    def __init__(
        self,
        channels: int,
        hyper_width: int,
        density: Density,
        *,
        with_mean: bool,
        passes: int = 1,
        context_width: int = 0,
        levels: int,
        span: float,
        default_quality: float,
        quantization: str,
        seed: int,
        regularizer,
        **kwargs,
    ):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.with_mean = with_mean
        self.passes = passes
        self.default_quality = default_quality
        self.quantization = quantization
        outputs = 2 * channels if with_mean else channels
        self.analysis = HyperAnalysis(
            hyper_width, density.channels, of_sizes=not with_mean, regularizer=regularizer, name="hyper_analysis"
        )
        self.synthesis = HyperSynthesis(hyper_width, outputs, regularizer=regularizer, name="hyper_synthesis")
        self.hyper = FactorizedBottleneck(
            density,
            gains=QualityGains(levels, density.channels, name="hyper_gains"),
            default_quality=default_quality,
            quantization=quantization,
            seed=seed + 1,
            rate_weight=0.0,
            name="side",
        )
        self.gains = QualityGains(levels, channels, span=span, name="gains")
        coded = 4 * channels // passes
        self.context = [
            ContextNetwork(context_width, number * coded, coded, regularizer=regularizer, name=f"context_{number}")
            for number in range(1, passes)
        ]
        self.gaussian = GaussianDensity(name="gaussian")
        self.noise = UniformNoise(seed=seed, dtype="float32", name="noise")
        self.analysis.build((None, None, None, channels))
        self.synthesis.build((None, None, None, density.channels))
        self.built = True

    def call(self, encoded, training=False, quality=None):
        """Return ``(latents, rate)``, both float32; the latents are rounded, in training noisy or as rounded."""
        encoded = ops.cast(encoded, "float32")
        if quality is None:
            quality = ops.full((ops.shape(encoded)[0],), self.default_quality, dtype="float32")
        hyper_latents, hyper_rate = self.hyper(self.analysis(encoded), training=training, quality=quality)
        steps, corrections = self.gains(quality)
        parts, rates = split_passes(encoded, self.passes), [hyper_rate]

        def code(place, scale, mean, width):
            latents, rated = quantization_proxy(
                self.noise, parts[place], width, mean, training=training, quantization=self.quantization
            )
            rates.append(math.log(2) * self.gaussian.bits(rated, scale, mean, width=width))
            return latents

        latents = self.pass_by_pass(hyper_latents, steps, code)
        return latents * corrections, self._charged(sum(rates))

    def pass_by_pass(self, hyper_latents, steps, code):
        """Return the latents ``(batch, rows, columns, channels)`` that ``code`` gives of each pass.

        ``code(place, scale, mean, width)`` returns those of pass ``place``, from 0, under N(mean, scale²) with steps
        ``width``, all of one shape; a mean of 0 where none is known. ``steps`` is ``(batch, 1, 1, channels)``.
        """
        found = self.synthesis(hyper_latents)
        log_scales, means = ops.split(found, 2, axis=-1) if self.with_mean else (found, ops.zeros_like(found))
        log_scales, means = split_passes(log_scales, self.passes), split_passes(means, self.passes)
        width = ops.tile(steps, (1, 1, 1, log_scales[0].shape[-1] // self.gains.channels))
        known, coded = [], []
        for place, (log_scale, mean) in enumerate(zip(log_scales, means, strict=True)):
            if place:
                inputs = ops.concatenate([*known, log_scale - ops.log(width), mean], axis=-1)
                scale_change, mean_change = ops.split(self.context[place - 1](inputs), 2, axis=-1)
                log_scale, mean = log_scale + scale_change, mean + mean_change
            latents = code(place, ops.exp(_bounded(log_scale)), mean, width)
            known.append(latents - mean)
            coded.append(latents)
        return join_passes(coded, self.passes)

    @property
    def side(self):
        """The bottleneck of the hyper-latents, by the name under which files of earlier versions keep its weights."""
        return self.hyper

    def initialize_from(self, encoded: np.ndarray) -> None:
        """Begin with scales and means, and a density of hyper-latents, that fit the latents of a few training images.

        ``encoded`` is ``(images, rows, columns, channels)``.
        """
        self.hyper.initialize_from(ops.convert_to_numpy(self.analysis(ops.convert_to_tensor(encoded))))
        centres, scales = centres_and_scales(encoded)
        start = np.concatenate([np.log(scales), centres]) if self.with_mean else np.log(scales)
        self.synthesis.convolutions[-1].bias.assign(start.astype(np.float32))
        for network in self.context:
            network.initialize_from(centres, scales)

    def to_code(self, encoded):
        """Return what a file holds, before it is rounded: latents and hyper-latents."""
        return encoded, self.analysis(encoded)

    def trial(self, code, moves, quality, dead_zone, log_scales):
        """Return ``(latents, bits, trial)`` of what ``to_code`` gave, moved; see ``FactorizedBottleneck.trial``.

        The bits of a pass depend on the moves of those before. Each row of ``dead_zone`` is for the latents whose scale
        is nearest to its one of ``log_scales`` ``(tables,)``, rising, logarithms of steps.
        """
        targets, hyper = code
        steps, corrections = self.gains(quality)
        parts, pushes = split_passes(targets, self.passes), split_passes(moves, self.passes)
        hyper_latents, _ = self.hyper(hyper, training=False, quality=quality)
        borders = 0.5 * (log_scales[1:] + log_scales[:-1])
        bits, trials = [], []

        def try_pass(place, scale, mean, width):
            tables = ops.searchsorted(borders, ops.reshape(ops.log(scale / width), (-1,)), side="right")
            tables = ops.reshape(tables, ops.shape(scale))
            zones = [ops.take(dead_zone[:, border], tables) for border in range(3)]
            rounded, moved, shown = try_moves(parts[place], pushes[place], mean, width, zones)
            bits.append(self.gaussian.bits(rounded, scale, mean, width=width))
            trial = {"shown": shown, "rounded": rounded, "means": mean, "steps": width, "scales": scale / width}
            trials.append({name: ops.broadcast_to(one, ops.shape(shown)) for name, one in trial.items()})
            return moved

        self.pass_by_pass(hyper_latents, steps, try_pass)
        joined = {name: join_passes([one[name] for one in trials], self.passes) for name in trials[0]}
        return joined.pop("shown") * corrections, sum(bits), joined

    def export(self, qualities) -> dict:
        """Return what the codec freezes: ``steps`` and ``corrections`` ``(qualities, channels)``, ``hyper``, which is
        the same of the hyper-latents with their ``medians``, the layers of ``synthesis`` and of each ``context``.
        """
        steps, corrections = (np.stack(rows) for rows in zip(*map(self.gains.steps, qualities), strict=True))
        networks = {"synthesis": self.synthesis.export(), "context": [one.export() for one in self.context]}
        return {"steps": steps, "corrections": corrections, "hyper": self.side.export(qualities)} | networks

    def centre(self) -> None:
        """Round hyper-latents around the medians of their density from now on."""
        self.hyper.centre()


def _bounded(log_scale):
    """Return log-scales within what the tables have, so that no step of training can overflow."""
    return ops.clip(log_scale, -_MOST_LOG_SCALE, _MOST_LOG_SCALE)
