"""One image through every contender, at about the same number of bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasae.rate_distortion.contender import ClassicalContender, Contender
from kerasae.rate_distortion.picture_quality import psnr_of, squared_error


@dataclass(frozen=True)
class Matched:
    """A decoded image, uint8 ``(height, width, channels)``, with what it took."""

    codec: str
    image: np.ndarray
    bytes: int
    psnr: float


def matched(contenders: Sequence[Contender], image: np.ndarray, budget: int) -> list[Matched]:
    """Return ``image`` decoded from the largest file of each contender that has at most ``budget`` bytes.

    Where even the smallest file is larger, that one is taken: its bytes say so. Classical codecs are searched over
    all whole qualities of their range, models over their steps.
    """
    found = []
    for contender in contenders:
        files = _search(contender, image, _all_qualities(contender), budget)
        decoded = contender.decode([files], image.shape[-1])[0]
        found.append(Matched(contender.name, decoded, len(files), float(psnr_of(squared_error(image, decoded)))))
    return found


def _all_qualities(contender: Contender) -> list[float]:
    if isinstance(contender, ClassicalContender):
        low, high = contender.codec.span
    elif contender.codec.frozen.qualities:
        return sorted(contender.codec.frozen.qualities)
    else:
        low, high = int(min(contender.qualities)), int(max(contender.qualities))
    return list(range(low, high + 1))


def _search(contender: Contender, image: np.ndarray, qualities: list[float], budget: int) -> bytes:
    """Bisect for the largest file within the budget: sizes rise with quality, falling with a model's step."""
    tried: dict[int, bytes] = {}

    def file(place: int) -> bytes:
        if place not in tried:
            tried[place] = contender.encode([image], qualities[place])[0]
        return tried[place]

    if len(file(0)) > len(file(len(qualities) - 1)):
        qualities.reverse()
        tried.clear()
    low, high = 0, len(qualities) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(file(middle)) <= budget else (low, middle - 1)
    within = [content for content in tried.values() if len(content) <= budget]
    return max(within, key=len) if within else min([file(low), *tried.values()], key=len)
