"""CompressAI's factorised prior against the clock: ``python -I compressai_worker.py IMAGES.npz RESULT.json SETTINGS``.

Run by path, by the Python of an environment that has CompressAI; it imports nothing of kerasae. ``IMAGES.npz`` holds
``train`` and ``test``, uint8 ``(count, height, width, channels)``; ``SETTINGS`` is JSON with ``lmbda``, ``seconds``,
``threads``, ``seed`` and ``learning_rate``. Progress goes to standard output, the result to ``RESULT.json``.

The model is ``FactorizedPrior(64, 96)`` (bmshj2018-factorized). CompressAI's takes three channels; here its first and
last convolutions have as many channels as the images, one for gray ones, which spares it work it would waste.

Trained as CompressAI's example does (Adam for the network, a second one at 1e-3 for the quantiles, clipping at 1.0),
with flips, and with three things better suited to minutes than to millions of steps: batches of 8 (after ten minutes
on one core 0.250 bits per pixel at 30.4 dB, where batches of 16 were at 0.386 and 28.1), a learning rate that falls to
nothing along a cosine over the time there is, and tails searched for once at the end (``update_quantiles``), since the
quantiles' own optimiser cannot reach them in so few steps.
"""

import json
import math
import platform
import sys
import time

BATCH = 8
AUXILIARY_RATE = 1e-3
CLIP = 1.0
CODING_BATCH = 64
SINGLE_IMAGES = 50
REPORT_SECONDS = 30.0
# As in kerasae: equal images have 100 dB.
MSE_FLOOR = 1e-10


def make_model(channels):
    """Return the model, its ends for ``channels`` channels."""
    from compressai.models import FactorizedPrior
    from compressai.models.utils import conv, deconv

    model = FactorizedPrior(64, 96)
    if channels != 3:
        model.g_a[0] = conv(channels, 64)
        model.g_s[-1] = deconv(64, channels)
    return model


def train(model, images, settings):
    """Train for ``settings["seconds"]`` of wall time; return the seconds taken and the steps done."""
    import torch
    from compressai.losses import RateDistortionLoss

    named = dict(model.named_parameters())
    network = [weights for name, weights in named.items() if not name.endswith(".quantiles")]
    quantiles = [weights for name, weights in named.items() if name.endswith(".quantiles")]
    optimizer = torch.optim.Adam(network, lr=settings["learning_rate"])
    auxiliary = torch.optim.Adam(quantiles, lr=AUXILIARY_RATE)
    criterion = RateDistortionLoss(lmbda=settings["lmbda"])
    batches = endless_batches(images)
    model.train()
    began, steps, reported, elapsed = time.perf_counter(), 0, 0.0, 0.0
    while elapsed < settings["seconds"]:
        share = elapsed / settings["seconds"]
        optimizer.param_groups[0]["lr"] = settings["learning_rate"] * 0.5 * (1 + math.cos(math.pi * share))
        batch = next(batches)
        optimizer.zero_grad()
        auxiliary.zero_grad()
        terms = criterion(model(batch), batch)
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(network, CLIP)
        optimizer.step()
        model.aux_loss().backward()
        auxiliary.step()
        steps += 1
        elapsed = time.perf_counter() - began
        if elapsed - reported >= REPORT_SECONDS:
            reported = elapsed
            report_progress(terms, settings, elapsed, steps)
    if not math.isfinite(float(terms["loss"].detach())):
        sys.exit(f"the loss is {float(terms['loss'].detach())} after {steps} steps; take a lower learning rate")
    return elapsed, steps


def report_progress(terms, settings, elapsed, steps):
    """Print how far training is."""
    bits, mse = float(terms["bpp_loss"].detach()), float(terms["mse_loss"].detach())
    print(
        f"lambda {settings['lmbda']:g}: {elapsed:,.0f} of {settings['seconds']:,.0f} s, {steps * BATCH / elapsed:,.0f} "
        f"images/s, last batch {bits:.3f} bits per pixel, {10 * math.log10(1 / max(mse, MSE_FLOOR)):.2f} dB",
        flush=True,
    )


def endless_batches(images):
    """Yield batches ``(8, channels, height, width)`` in [0, 1], reshuffled each epoch, half of the images mirrored."""
    import torch

    while True:
        order = torch.randperm(len(images))
        for start in range(0, max(len(order) - BATCH + 1, 1), BATCH):
            batch = as_floats(images[order[start : start + BATCH].numpy()])
            mirrored = torch.rand(len(batch), 1, 1, 1) < 0.5
            yield torch.where(mirrored, batch.flip(3), batch)


def as_floats(images):
    """Return uint8 ``(count, height, width, channels)`` as a tensor ``(count, channels, height, width)`` in [0, 1]."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)


def encode(model, images, at_once):
    """Return the model's own compressed form of the images, ``at_once`` of them in each call."""
    return [model.compress(as_floats(images[start : start + at_once])) for start in range(0, len(images), at_once)]


def decode(model, parts):
    """Return the images, uint8 ``(count, height, width, channels)``."""
    import numpy as np

    made = [model.decompress(part["strings"], part["shape"])["x_hat"] for part in parts]
    return np.concatenate([each.mul(255).round().byte().permute(0, 2, 3, 1).numpy() for each in made])


def measure(model, images):
    """Return bits, decibels and speeds on the test images."""
    import numpy as np
    import torch

    few = images[:SINGLE_IMAGES]
    with torch.no_grad():
        # The first calls allocate what later ones use again.
        decode(model, encode(model, images[:CODING_BATCH], CODING_BATCH))
        decode(model, encode(model, few[:2], 1))
        parts, encode_speed = timed(lambda: encode(model, images, CODING_BATCH), len(images))
        decoded, decode_speed = timed(lambda: decode(model, parts), len(images))
        singles, encode_single = timed(lambda: encode(model, few, 1), len(few))
        _, decode_single = timed(lambda: decode(model, singles), len(few))
        information = sum(
            bits(model, images[start : start + CODING_BATCH]) for start in range(0, len(images), CODING_BATCH)
        )
    pixels = images.shape[0] * images.shape[1] * images.shape[2]
    size = sum(len(string) for part in parts for strings in part["strings"] for string in strings)
    mse = np.square((images.astype("float64") - decoded.astype("float64")) / 255).mean(axis=(1, 2, 3))
    return {
        "test_images": len(images),
        "bits_per_pixel": 8 * size / pixels,
        "estimated_bits_per_pixel": information / pixels,
        "psnr": float((-10 * np.log10(np.maximum(mse, MSE_FLOOR))).mean()),
        "psnr_of_mean_mse": float(-10 * np.log10(max(mse.mean(), MSE_FLOOR))),
        "encode_images_per_second": encode_speed,
        "decode_images_per_second": decode_speed,
        "encode_images_per_second_single": encode_single,
        "decode_images_per_second_single": decode_single,
    }


def bits(model, images):
    """Return the information of the rounded latents under the density."""
    return float(-model(as_floats(images))["likelihoods"]["y"].log2().sum())


def timed(work, count):
    """Return what ``work`` returns, and ``count`` per second."""
    began = time.perf_counter()
    made = work()
    return made, count / (time.perf_counter() - began)


def main():
    """Train, freeze, measure, write."""
    import numpy as np
    import torch

    images_path, result_path, text = sys.argv[1:]
    settings = json.loads(text)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    with np.load(images_path) as images:
        training, test = images["train"], images["test"]
    model = make_model(training.shape[3])
    seconds, steps = train(model, training, settings)
    model.eval()
    # Forced: CompressAI keeps tables that are there, however stale.
    model.update(force=True, update_quantiles=True)
    from compressai import __version__ as compressai_version

    found = {name: settings[name] for name in ("lmbda", "threads", "seed", "learning_rate")}
    found.update(
        training_seconds=seconds,
        training_steps=steps,
        training_images_per_second=steps * min(BATCH, len(training)) / seconds,
        parameters=sum(weights.numel() for weights in model.parameters()),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "compressai": compressai_version,
        },
    )
    found.update(measure(model, test))
    print(
        "lambda {lmbda:g}: {bits_per_pixel:.4f} bits per pixel, {psnr:.2f} dB on test images".format(**found),
        flush=True,
    )
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
