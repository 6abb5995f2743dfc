"""Arrays as PNG in a data URI."""

import base64
import io

import numpy as np

# From dark to light in even steps of lightness, so that it reads without colour as well. Of kerasae's own mixing.
_HEAT = np.array([(14, 10, 40), (88, 30, 118), (196, 62, 92), (246, 146, 66), (253, 246, 200)], dtype="float64")
HEAT_LEVELS = 16  # few enough for four bits a pixel
LONGEST_SIDE = 160


def png_uri(image: np.ndarray) -> str:
    """Return a uint8 image ``(height, width, channels)`` as a data URI, shrunk to sides of ``LONGEST_SIDE`` at most."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return _uri(_small(picture))


def heat_uri(amounts: np.ndarray) -> str:
    """Return ``(height, width)`` in [0, 1] as a data URI in ``HEAT_LEVELS`` colours from dark (0) to light (1)."""
    from PIL import Image

    picture = _small(Image.fromarray(np.clip(np.rint(amounts * 255), 0, 255).astype("uint8")))
    levels = np.minimum(np.asarray(picture).astype("int64") * HEAT_LEVELS // 256, HEAT_LEVELS - 1).astype("uint8")
    heat = Image.fromarray(levels)
    heat.putpalette(heat_palette().ravel().tolist())
    return _uri(heat)


def heat_palette() -> np.ndarray:
    """Return the colours, uint8 ``(HEAT_LEVELS, 3)``."""
    places = np.linspace(0, len(_HEAT) - 1, HEAT_LEVELS)
    return np.stack([np.interp(places, range(len(_HEAT)), _HEAT[:, c]) for c in range(3)], axis=1).astype("uint8")


def _small(picture):
    from PIL import Image

    if max(picture.size) <= LONGEST_SIDE:
        return picture
    factor = LONGEST_SIDE / max(picture.size)
    size = tuple(max(1, round(side * factor)) for side in picture.size)
    return picture.resize(size, Image.Resampling.BOX)


def _uri(picture):
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
