"""A few images of an evaluation, and everything that is written of it."""

import csv
from pathlib import Path

import keras
import numpy as np

from kerasae.data import ImageSet
from kerasae.evaluation.score import Evaluation, evaluate, fixed_noise
from kerasae.files import replacing, write_json
from kerasae.models import Autoencoder
from kerasae.records import Example, Score
from kerasae.training import Run
from kerasae.training.run import image_scores_path, save_examples, save_image_scores


def reconstruct(
    model: Autoencoder,
    images: ImageSet,
    indexes: np.ndarray,
    *,
    sigma: float = 0.0,
    seed: int = 0,
    sample: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return originals, inputs and reconstructions, each ``(images, height, width, channels)`` float32 in [0, 1].

    The noise, and with ``sample`` the draw of the posterior, are those that ``measure`` scored.
    """
    originals = np.asarray(images.images[indexes], "float32") / 255.0
    names = [images.names[index] for index in indexes]
    inputs = originals
    if sigma:
        noise = fixed_noise(names, originals.shape[1:], seed=seed, purpose="input")
        inputs = np.clip(originals + np.float32(sigma) * noise, 0.0, 1.0)
    # As NumPy arrays the encoded images carry no gradients along on PyTorch.
    encoded = keras.tree.map_structure(keras.ops.convert_to_numpy, model.encoder(inputs))
    latents, _ = model.bottleneck(encoded)
    if sample:
        epsilon = fixed_noise(names, model.latent_shape, seed=seed, purpose="sample")
        latents = model.bottleneck.draw(encoded, epsilon)
    return originals, inputs, keras.ops.convert_to_numpy(model.decode(latents))


def choose_examples(
    model: Autoencoder, images: ImageSet, evaluation: Evaluation, *, split: str = "test"
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


_COLUMNS = ("file", "split", "sigma", "decoded_from", "mse", "psnr", "ssim")


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write everything that a run's folder holds of an evaluation; ``scores.json``, one row per score, comes last.

    Before it ``latents.json`` (variational runs), ``evaluations/`` and ``scores.csv``, both of every image.
    """
    if evaluation.latents is not None:
        write_json(folder / "latents.json", evaluation.latents.as_dict())
    save_measured(folder, evaluation)
    with replacing(folder / "scores.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for (split, sigma), measured in evaluation.measured.items():
            for decoded_from, metrics in measured.metrics.items():
                columns = zip(measured.names, *(metrics[name] for name in _COLUMNS[4:]), strict=True)
                for name, *values in columns:
                    writer.writerow([name, split, sigma, decoded_from, *(f"{value:.8g}" for value in values)])
    save_scores(folder / "scores.json", evaluation.scores)


def save_measured(folder: Path, evaluation: Evaluation) -> None:
    """Write the numbers of every image into ``evaluations/``, a file for each split and noise."""
    for (split, sigma), measured in evaluation.measured.items():
        path = image_scores_path(folder, split=split, sigma=sigma, seed=evaluation.seed)
        save_image_scores(path, measured.names, measured.metrics)


def save_scores(path: Path, scores: list[Score]) -> None:
    """Write a list of scores as JSON."""
    write_json(path, [score.as_dict() for score in scores])


def score_run(run: Run, images: ImageSet, model: Autoencoder) -> None:
    """Evaluate ``run`` on the validation and test images of its own and write scores and examples into its folder.

    ``scores.json`` comes last: it marks the run as evaluated.
    """
    evaluation = evaluate(run, images=images, model=model)
    save_examples(run.folder / "examples.npz", choose_examples(model, images, evaluation))
    save_evaluation(run.folder, evaluation)
