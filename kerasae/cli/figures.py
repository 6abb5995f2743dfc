"""Which figures a run gets."""

import numpy as np


def draw_figures(run) -> None:
    """Write the run's loss curves, and per test condition its histograms and its best, median and worst images.

    From what its folder holds alone: no Keras, no images. Figures that are there already are drawn anew.
    """
    from kerasae.reports import loss_curves, metric_histograms

    folder, name = run.folder / "figures", run.record.recipe_name
    loss_curves(run.history(), folder / "loss_curves.png", name, best_epoch=run.record.best_epoch)
    examples = run.examples()
    for sigma in dict.fromkeys(score.sigma for score in run.scores() if score.split == "test"):
        noise = f", input sigma {sigma:g}" if sigma else ""
        suffix = f"_sigma_{sigma:g}" if sigma else ""
        for scores in run.image_scores(split="test", sigma=sigma):
            how = scores.decoded_from
            tail = suffix if how == "latents" else f"_{how}{suffix}"
            title = f"{name}, test images{noise}" + ("" if how == "latents" else f", decoded from the {how}")
            metrics = {metric: getattr(scores, metric) for metric in ("mse", "psnr", "ssim")}
            metric_histograms(metrics, folder / f"histograms{tail}.png", title)
            shown = [one for one in examples if (one.sigma, one.decoded_from) == (sigma, how)]
            if shown:
                _grid(folder / f"reconstructions{tail}.png", title, shown)


def _grid(path, title, examples) -> None:
    from kerasae.reports import reconstruction_grid

    def pixels(what):
        return np.stack([getattr(example, what) for example in examples]) / 255.0

    reconstruction_grid(
        path,
        originals=pixels("original"),
        inputs=pixels("given") if examples[0].sigma else None,
        reconstructions=pixels("reconstruction"),
        captions=[f"{one.rank}\n{one.psnr:.2f} dB, SSIM {one.ssim:.3f}" for one in examples],
        title=title,
    )
