"""Which images of an evaluation are worth looking at."""

import numpy as np

from kerasae.data import ImageSet
from kerasae.evaluation.evaluate_run import Evaluation
from kerasae.evaluation.reconstruct import reconstruct
from kerasae.models import Compressor
from kerasae.records import Example


def choose_examples(
    model: Compressor, images: ImageSet, evaluation: Evaluation, *, split: str = "test"
) -> list[Example]:
    """Return the best, median and worst images of ``split`` by PSNR, two of each, for every noise and decoding."""
    place_of = {name: place for place, name in enumerate(images.names)}
    found = []
    for (measured_split, sigma), measured in evaluation.measured.items():
        if measured_split != split:
            continue
        for decoded_from, metrics in measured.metrics.items():
            ranks = ranked(metrics["psnr"])
            names = [measured.names[place] for place in ranks.values()]
            shown = reconstruct(
                model,
                images,
                np.array([place_of[name] for name in names]),
                sigma=sigma,
                seed=evaluation.seed,
                sample=decoded_from == "sample",
            )
            for rank, place, *pixels in zip(ranks, ranks.values(), *shown, strict=True):
                psnr, ssim = (float(metrics[metric][place]) for metric in ("psnr", "ssim"))
                about = (measured.names[place], rank, split, sigma, decoded_from, psnr, ssim)
                found.append(Example(*about, *(np.rint(np.clip(one, 0, 1) * 255).astype("uint8") for one in pixels)))
    return found


def ranked(psnr: np.ndarray) -> dict[str, int]:
    """Return the places of the best, median and worst images, two of each where there are enough."""
    order = np.argsort(-psnr, kind="stable")
    count, middle = len(order), len(order) // 2
    if count < 6:
        return {f"rank {place + 1} of {count}": int(order[place]) for place in range(count)}
    places = {"best": 0, "2nd best": 1, "median": middle, "next to median": middle + 1, "2nd worst": -2, "worst": -1}
    return {name: int(order[place]) for name, place in places.items()}
