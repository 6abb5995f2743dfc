"""What an image is to cost or to look like → the step that does it."""

from collections.abc import Callable, Sequence

import numpy as np

from kerasae.codec.codec import Codec
from kerasae.codec.container import Packed, pack
from kerasae.errors import CodecError


def pack_to_bytes(codec: Codec, images: Sequence[np.ndarray], most: int, names: Sequence[str] = ()) -> list[Packed]:
    """Return each image at the finest step found whose whole file has at most ``most`` bytes.

    Found by bisection, file sizes falling from step to step of the ladder but for a byte now and then. Raises
    ``CodecError`` where even the coarsest step of an image takes more; it is called by its place, or its one of
    ``names``.
    """
    explain = _too_large(most, names)
    return _search(codec, images, lambda packed, place: len(pack(packed)) <= most, explain, finest=True)


def pack_to_psnr(codec: Codec, images: Sequence[np.ndarray], least: float, names: Sequence[str] = ()) -> list[Packed]:
    """Return each image at the coarsest step found whose decoded picture has a PSNR of at least ``least`` dB.

    The PSNR is that of 8-bit images. Found by bisection, as in ``pack_to_bytes``. Raises ``CodecError`` where even the
    finest step of an image stays below.
    """
    images = [codec.checked(image) for image in images]

    def reaches(decoded: np.ndarray, place: int) -> bool:
        error = ((decoded.astype(np.float64) - images[place]) ** 2).mean() / 255**2
        return -10 * np.log10(max(error, 1e-10)) >= least

    return _search(codec, images, reaches, _too_coarse(least, names), finest=False)


def _search(
    codec: Codec,
    images: Sequence[np.ndarray],
    fits: Callable[..., bool],
    explain: Callable[[int], str],
    *,
    finest: bool,
) -> list[Packed]:
    """Bisect for all images of a size at once; each goes through the encoder once, whatever is tried."""
    shaped = [codec.checked(image) for image in images]
    best: list[Packed | None] = [None] * len(shaped)
    for (height, width), places in codec.batches([image.shape[:2] for image in shaped]):
        latents = codec.network.encode(np.stack([shaped[place] for place in places]))
        for place, one in zip(
            places, _bisect(codec, latents, height, width, places, fits, explain, finest=finest), strict=True
        ):
            best[place] = one
    return best


def _bisect(codec: Codec, latents, height: int, width: int, places, fits, explain, *, finest: bool) -> list[Packed]:
    """Return the best of each of ``latents``, which are those of the images at ``places``."""
    count, last = len(places), len(codec.frozen.levels) - 1
    # ``sure`` fits, or is the end where everything must; ``limit`` is the far end of what may be better still.
    sure, limit = np.full(count, last if finest else 0), np.full(count, 0 if finest else last)
    best = _packed(codec, latents, height, width, sure)
    for place, good in zip(places, _judge(codec, best, fits, places, finest=finest), strict=True):
        if not good:
            raise CodecError(explain(place))
    while (unsettled := np.flatnonzero(sure != limit)).size:
        towards = np.sign(limit - sure)
        # Rounded towards what is not known yet, so that every round settles something.
        tried = sure + towards * ((np.abs(limit - sure) + 1) // 2)
        packed = _packed(codec, latents[unsettled], height, width, tried[unsettled])
        judged = _judge(codec, packed, fits, [places[place] for place in unsettled], finest=finest)
        for place, one, good in zip(unsettled, packed, judged, strict=True):
            if good:
                sure[place], best[place] = tried[place], one
            else:
                limit[place] = tried[place] - towards[place]
    return best


def _packed(codec: Codec, latents: np.ndarray, height: int, width: int, steps: np.ndarray) -> list[Packed]:
    """Return latents packed at a step each."""
    packed: list[Packed | None] = [None] * len(latents)
    for step in np.unique(steps):
        some = np.flatnonzero(steps == step)
        for place, one in zip(some, codec.pack_latents(latents[some], height, width, int(step)), strict=True):
            packed[place] = one
    return packed


def _judge(codec: Codec, packed: list[Packed], fits, places: Sequence[int], *, finest: bool) -> list[bool]:
    shown = packed if finest else codec.unpack(packed)
    return [bool(fits(one, place)) for one, place in zip(shown, places, strict=True)]


def _too_large(most: int, names: Sequence[str]) -> Callable[[int], str]:
    return lambda place: (
        f"{_called(place, names)} takes more than {most:,} bytes even at the coarsest step; allow it more, or make it "
        "smaller"
    )


def _too_coarse(least: float, names: Sequence[str]) -> Callable[[int], str]:
    return lambda place: (
        f"{_called(place, names)} stays below {least:g} dB even at the finest step; ask for less, or train a model for "
        "a higher quality"
    )


def _called(place: int, names: Sequence[str]) -> str:
    return names[place] if names else f"image {place}"
