"""A model's encoder and decoder as they are, on any backend; what needs gradients."""

from functools import lru_cache

import keras
import numpy as np

from kerasae.codec.frozen import Geometry
from kerasae.codec.hyperprior_coder import BLOCK
from kerasae.codec.integer_network import blocks
from kerasae.codec.latent_coder import LatentCoder
from kerasae.codec.network import Half, Network, cut, join
from kerasae.errors import CodecError
from kerasae.models import Autoencoder
from kerasae.models.checks import resized
from kerasae.models.steps import compile_gradient
from kerasae.runtime import worth_compiling

# Where a network leaves sides open, its latents are counted at about this many pixels a side.
_PROBED_SIDE = 256


class KerasNetwork(Network):
    """Both halves of ``model``, compiled for each size of images.

    Raises ``CodecError`` for images that are neither gray nor colour.
    """

    # Few shapes need compiling.
    batches = (1, 8, 64)

    def __init__(self, model: Autoencoder):
        if model.channels not in (1, 3):
            raise CodecError(
                f"{model.name} takes images of {model.channels} channels; compressed files hold gray or colour images, "
                "of 1 or 3"
            )
        self.model = model
        self.name = model.name
        # A bottleneck of a user's own need not know of coders.
        self.coder = getattr(model.bottleneck, "coder", None)
        self.channels = model.latent_shape[-1]
        self.is_flat = len(model.latent_shape) == 1
        self.takes_any_size = model.takes_any_size
        self.geometry = _any_size_geometry(model) if model.takes_any_size else _tile_geometry(model)
        self._parts = lru_cache(maxsize=8)(self._make_parts)
        self._trials = lru_cache(maxsize=8)(self._make_trial)

    def refined(
        self, images: np.ndarray, latents: np.ndarray, level: LatentCoder, *, quality: float, rounds: int
    ) -> np.ndarray:
        """Return latents whose integers cost less bits and error than those of ``latents``, which ``encode`` gave.

        Rate-distortion optimised quantization, as video encoders do it, of a learned codec's latents; the decoder stays
        as it is. Yang, Bamler, Mandt 2020, "Improving inference for neural image compression", do it by descent. In
        each round every latent is tried a step higher and lower: its own bits are known, the change of the picture
        and of what later passes cost comes from a gradient, and from a curvature that is the same for all. A random
        part of what seems better is done, since it was not tried together; where an image then costs more than
        before, it is taken back.
        """
        tiles, down, across = self.tiled(images)
        size, found = tiles.shape[1:3], []
        parts = cut(latents, *self.geometry.grid(*size))
        for places, count in self.in_batches(np.arange(len(tiles)), tiles[0, ..., 0].size):
            some = tiles[places], parts[places]
            found.append(_refined(self._trials(*size), *some, level, quality=quality, rounds=rounds)[:count])
        return join(np.concatenate(found), len(latents), down, across)

    def encoder(self, height: int, width: int) -> Half:
        """Return the encoder, compiled for this size."""
        return _outputs(self._parts(height, width)[0])

    def decoder(self, height: int, width: int) -> Half:
        """Return the decoder, compiled for this size."""
        return _outputs(self._parts(height, width)[1])

    def _make_parts(self, height: int, width: int):
        encoder = resized(self.model.encoder, (height, width, self.model.channels))
        return _Part(encoder, self.model.bottleneck, self.coder), _Part(self._decoder(height, width))

    def _make_trial(self, height: int, width: int):
        return compile_gradient(_Trial(self.model, self._decoder(height, width)))

    def _decoder(self, height: int, width: int) -> keras.Model:
        if not self.model.takes_any_size:
            return self.model.decoder
        rows, columns = self.geometry.grid(height, width)
        return resized(self.model.decoder, (rows, columns, self.channels))


class _Part(keras.Model):
    """One half as a compiled function: uint8 images are scaled inside, what comes out is float32."""

    def __init__(self, part, bottleneck=None, coder: str | None = None):
        # A class name with an underscore in front makes no scope that TensorFlow takes.
        super().__init__(name="decode" if bottleneck is None else "encode")
        self.part = part
        self.bottleneck = bottleneck
        self.coder = coder
        self.built = True
        self.compile(jit_compile=worth_compiling())

    def call(self, batch):
        if self.bottleneck is None:
            return keras.ops.cast(self.part(batch), "float32")
        encoded = self.part(keras.ops.cast(batch, "float32") / 255.0)
        # What has a coder is rounded by that, not by the bottleneck.
        latents = self.bottleneck.to_code(encoded) if self.coder else self.bottleneck(encoded)[0]
        return keras.tree.map_structure(lambda one: keras.ops.cast(one, "float32"), latents)


# Errors count so much more than λ says: along the codec's own curve another bit takes away less of them than λ was
# trained for. Over PSNR this saved 4.3 % of the bits, λ itself 3.5 % (16 faces, 60 rounds).
_WEIGHT = 1.12


class _Trial(keras.Model):
    """What integers cost, and what others would, as one function of arrays."""

    def __init__(self, model: Autoencoder, decoder: keras.Model):
        super().__init__(name="trial")
        self.model = model
        self.decoder = decoder
        self.built = True

    def call(self, inputs):
        code = (inputs["targets"], inputs["hyper"]) if "hyper" in inputs else inputs["targets"]
        others = (inputs[name] for name in ("moves", "quality", "dead_zone", "log_scales"))
        trial = self.model.trial(inputs["images"], code, *others, decoder=self.decoder)
        more = (_WEIGHT - 1) * trial["error"]
        return trial | {"error": trial["error"] + more, "cost": trial["cost"] + more}


# The second derivative of an image's cost, in bits, by a latent in steps. A step s is best where λ·s²/12 of error and
# −log₂ s bits balance, which is where λ·s² = 6 / ln 2: so it is 12 / ln 2 = 17.3 (measured on faces: 9 to 30), and a
# little more did better, since latents move together.
_CURVATURE = 22.0
# Less is not worth the risk, in bits.
_LEAST_GAIN = 0.1
# The share of what is worth it that moves at once in an image: at first, and by how much more after a round that made
# it cheaper, or less after one that did not and is taken back.
_SHARE, _MORE, _LESS = 0.3, 1.05, 0.9


def _refined(trial, images, latents, level: LatentCoder, *, quality: float, rounds: int) -> np.ndarray:
    random, channels = np.random.default_rng(0), level.channels
    targets, hyper = latents[..., :channels], latents[..., channels:]
    inputs = {
        "images": images.astype(np.float32) / 255,
        "moves": np.zeros_like(targets),
        "quality": np.full(len(images), quality, np.float32),
    } | dict(zip(("dead_zone", "log_scales"), level.dead_zones(), strict=True))
    if hyper.size:
        inputs["hyper"] = blocks(hyper, BLOCK)
    least, share = np.full((len(images), 1, 1, 1), np.inf), np.full((len(images), 1, 1, 1), _SHARE)
    # Of each image's cheapest latents: these, what they would be with the moves that pay, and what these gain.
    best = moved = gains = targets
    for turn in range(rounds + 1):
        slope, outputs = trial(inputs | {"targets": targets})
        slope, error, rounded, means, steps, scales = map(
            keras.ops.convert_to_numpy,
            (slope, *(outputs[name] for name in ("error", "rounded", "means", "steps", "scales"))),
        )
        integers = np.rint((rounded - means) / steps).astype(np.int32)
        numbers = level.table_numbers(scales)
        bits = level.symbol_bits(integers, numbers)
        cost = error.reshape(least.shape) + bits.sum(axis=(1, 2, 3), keepdims=True)
        better = cost < least
        best, least = np.where(better, targets, best), np.where(better, cost, least)
        if turn == rounds:
            break
        best_gain, way_of_best = np.zeros_like(slope), np.zeros_like(slope)
        for way in (-1, 1):
            # Where the middle of the bin goes, which is farther on either side of 0.
            change = level.middles(integers + way, numbers) - level.middles(integers, numbers)
            gain = bits - level.symbol_bits(integers + way, numbers) - slope * change - _CURVATURE / 2 * change**2
            best_gain, way_of_best = np.maximum(best_gain, gain), np.where(gain > best_gain, way, way_of_best)
        moved, gains = np.where(better, rounded + way_of_best * steps, moved), np.where(better, best_gain, gains)
        share = np.minimum(share * np.where(better, _MORE, _LESS), 1.0)
        targets = np.where((gains > _LEAST_GAIN) & (random.random(slope.shape) < share), moved, best)
    return np.concatenate([best, hyper], axis=-1)


def _tile_geometry(model: Autoencoder) -> Geometry:
    height, width, _ = model.image_shape
    rows, columns = model.latent_shape[:2] if len(model.latent_shape) == 3 else (1, 1)
    return Geometry(height, width, rows, columns, model.channels)


def _any_size_geometry(model: Autoencoder) -> Geometry:
    unit, (height, width, _), (rows, columns) = model.stride, model.image_shape, model.latent_shape[:2]
    if None in (height, width, rows, columns):
        height = width = -(-_PROBED_SIDE // unit) * unit
        shape = (height, width, model.channels)
        encoded = keras.tree.flatten(resized(model.encoder, shape)(keras.Input(shape)))[0]
        rows, columns = encoded.shape[1:3]
    return Geometry(unit, unit, rows * unit // height, columns * unit // width, model.channels)


def _outputs(part: keras.Model) -> Half:
    return lambda batch: [np.asarray(one) for one in keras.tree.flatten(part.predict_on_batch(batch))]
