"""Records with known numbers."""

from kerasae.records import RunRecord, Score, Summary


def score(run="ae_l2-3f2a9c1b04-0", decoded_from="latents", sigma=0.0, psnr=23.99, split="test", count=14000, **more):
    mse = 10 ** (-psnr / 10)
    return Score(
        run=run,
        data="ffhq",
        split=split,
        sigma=sigma,
        decoded_from=decoded_from,
        count=count,
        metrics={
            "mse": Summary(mse, mse / 2, mse * 0.99, mse * 1.01),
            "psnr": Summary(psnr, 2.13, psnr - 0.04, psnr + 0.05),
            "ssim": Summary(psnr / 40, 0.087, psnr / 40 - 0.002, psnr / 40 + 0.002),
        },
        psnr_of_mean_mse=psnr - 0.41,
        **more,
    )


SIGMAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def sweep():
    rows = [
        ("ae-3f2a9c1b04-0", "latents", 24.0),
        ("vae-77e1aa0912-0", "mean", 20.0),
        ("vae-77e1aa0912-0", "sample", 19.0),
    ]
    runs = [score(run, way, sigma, psnr - 12 * sigma) for run, way, psnr in rows for sigma in SIGMAS]
    perfect = {name: Summary(value, 0, value, value) for name, value in (("mse", 0), ("psnr", 100), ("ssim", 1))}
    exact = Score("ae", "ffhq", "test", 0.0, "input", 9, perfect, 100)
    return [exact, *(score("ae", "input", sigma, 31 - 70 * sigma) for sigma in SIGMAS[1:]), *runs]


def record(name="ae_l2-3f2a9c1b04-0", **more):
    plain = {
        "status": "finished", "recipe_name": "ae_l2", "fingerprint": "3f2a9c1b04", "seed": 3, "backend": "tensorflow",
        "device": "CPU", "versions": {}, "data_fingerprint": "x", "image_counts": {}, "parameters": 17217417,
        "latent_ratio": 81.92, "objective": "mse", "epochs_done": 200, "best_epoch": 187, "training_seconds": 2311.2,
        "images_per_second": 4123.4,
    }  # fmt: skip
    return RunRecord(name=name, **plain | more)
