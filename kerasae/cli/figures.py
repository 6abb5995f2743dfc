"""Which figures a run gets."""

import numpy as np


def draw_figures(run, images, model, evaluation) -> None:
    """Write the run's loss curves, and per test condition its histograms and its best, median and worst images."""
    from kerasae.reports import loss_curves, metric_histograms

    folder = run.folder / "figures"
    history = run.history()
    loss_curves(history, folder / "loss_curves.png", run.record.recipe_name, best_epoch=run.record.best_epoch)
    for (split, sigma), measured in evaluation.measured.items():
        if split != "test":
            continue
        noise = f", input sigma {sigma:g}" if sigma else ""
        suffix = f"_sigma_{sigma:g}" if sigma else ""
        for decoded_from, metrics in measured.metrics.items():
            tail = suffix if decoded_from == "latents" else f"_{decoded_from}{suffix}"
            how = "" if decoded_from == "latents" else f", decoded from the {decoded_from}"
            title = f"{run.record.recipe_name}, {split} images{noise}{how}"
            metric_histograms(metrics, folder / f"histograms{tail}.png", title)
            _grid(folder / f"reconstructions{tail}.png", title, images, model, measured, decoded_from, sigma)


def _grid(path, title, images, model, measured, decoded_from, sigma) -> None:
    from kerasae.evaluation.reconstruct import reconstruct
    from kerasae.reports import reconstruction_grid

    psnr, ssim = (measured.metrics[decoded_from][name] for name in ("psnr", "ssim"))
    places = _ranked(psnr)
    names = [measured.names[place] for place in places.values()]
    index_of = {name: index for index, name in enumerate(images.names)}
    indexes = np.array([index_of[name] for name in names])
    originals, inputs, reconstructions = reconstruct(
        model, images, indexes, sigma=sigma, seed=0, sample=decoded_from == "sample"
    )
    captions = [f"{rank}\n{psnr[place]:.2f} dB, SSIM {ssim[place]:.3f}" for rank, place in places.items()]
    reconstruction_grid(
        path,
        originals=originals,
        inputs=inputs if sigma else None,
        reconstructions=reconstructions,
        captions=captions,
        title=title,
    )


def _ranked(psnr: np.ndarray) -> dict[str, int]:
    """Return the places of the best, median and worst images, two of each where there are enough."""
    order = np.argsort(-psnr, kind="stable")
    count, middle = len(order), len(order) // 2
    if count < 6:
        return {f"rank {place + 1} of {count}": int(order[place]) for place in range(count)}
    places = {"best": 0, "2nd best": 1, "median": middle, "next to median": middle + 1, "2nd worst": -2, "worst": -1}
    return {name: int(order[place]) for name, place in places.items()}
