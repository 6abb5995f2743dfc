"""A study and a run that never were, the same each time; names try to break out of the page."""

import itertools
from dataclasses import replace

import numpy as np

from kerasae.records import (
    Audit,
    BdRate,
    CellScore,
    CodecPoint,
    Comparison,
    Estimate,
    Example,
    GroupScore,
    ImageScores,
    LatentRecord,
    MarkScore,
    RateContent,
    RatePoint,
    ReportContent,
    RunContent,
    SeedSummary,
    StudyCell,
    StudyRecord,
)
from tests.reports.made_up import record, score

HOSTILE = """<script>alert(1)</script>&"'`|_$\\"""
AXES = {
    "model": ("AE", "VAE"),
    "training": ("clean", "noise"),
    "regulariser": ("none", "L1", "L2", "elastic net"),
}
SIGMAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
VERDICTS = ("higher", "none", "lower", "hint", "none")
CARD = """# A card with <b>HTML</b>

| what | how many |
|:---|---:|
| images | **1,792** |

## Faults
- one [link](https://example.org/away), `code`
- ![picture](https://example.org/track.png) <img src=https://example.org/x>
"""


def image(seed, side=64, channels=1):
    """A smooth picture with some structure, uint8 ``(side, side, channels)``."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = random.normal(size=6), random.integers(1, 5, (6, 2)), random.random(6)
    hills = sum(a * np.sin(2 * np.pi * (k * x + m * y + phase)) for a, (k, m), phase in zip(*waves, strict=True))
    picture = 128 + 32 * hills[..., None] + random.normal(0, 3, (side, side, channels))
    return np.clip(picture, 0, 255).astype("uint8")


def example(rank, psnr, sigma=0.0, decoded_from="latents", seed=0, side=64, channels=1, name=None):
    random = np.random.default_rng(seed)
    original = image(seed, side, channels)
    noisy = (
        np.clip(original + random.normal(0, 255 * sigma, original.shape), 0, 255).astype("uint8") if sigma else original
    )
    error = random.normal(0, 255 * 10 ** (-psnr / 20), original.shape)
    back = np.clip(original + error, 0, 255).astype("uint8")
    name = name or f"face_{seed:05d}.png"
    return Example(name, rank, "test", sigma, decoded_from, {"psnr": psnr, "ssim": psnr / 40}, original, noisy, back)


def image_scores(mean, sigma, decoded_from, seed, count):
    psnr = np.random.default_rng(seed).normal(mean, 2.1, count)
    names = tuple(f"{index}.png" for index in range(count))
    metrics = {"mse": 10 ** (-psnr / 10), "psnr": psnr, "ssim": np.clip(psnr / 40, 0, 1)}
    return ImageScores("test", sigma, decoded_from, names, metrics)


def latents(active=12, size=32):
    kl = tuple(3.0 / (index + 1) if index < active else 0.001 for index in range(size))
    return LatentRecord(
        "test", 361, kl, tuple(0.5 if index < active else 1e-4 for index in range(size)), active, 0.01,
        4210.5, 4210.5 - sum(kl), "Gaussian, its variance the mean squared error of the validation images",
    )  # fmt: skip


def history(epochs, seed, floor=0.004):
    random = np.random.default_rng(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        value = floor + 0.05 * np.exp(-epoch / (0.12 * epochs)) * (1 + 0.1 * random.normal())
        rows.append({"epoch": epoch, "loss": value * 1.1, "distortion": value, "penalty": value * 0.1,
                     "val_loss": value * 1.2, "val_distortion": value * 1.05, "val_mse": value * 1.05})  # fmt: skip
    return tuple(rows)


def psnr_at(levels, sigma):
    base = 24.1 if levels["model"] == "AE" else 20.3
    robust = 9 if levels.get("training") == "noise" else 16
    offset = {"L1": -1.4, "L2": 0.12, "elastic net": -0.6}.get(levels.get("regulariser"), 0)
    return base + offset - robust * sigma * (0.8 if levels["model"] == "VAE" else 1.0)


def seed_summary(mean, seeds, spread=0.06, half=0.15):
    per_seed = tuple(float(mean + spread * (index - (seeds - 1) / 2)) for index in range(seeds))
    return SeedSummary(float(mean), spread if seeds > 1 else None, 2.1, mean - half, mean + half, per_seed)


def cell_score(levels, sigma, decoded_from, seeds, images, psnr):
    mse = 10 ** (-psnr / 10)
    metrics = {
        "mse": seed_summary(mse, seeds, mse / 50, mse / 20),
        "psnr": seed_summary(psnr, seeds),
        "ssim": seed_summary(psnr / 40, seeds, 0.002, 0.006),
    }
    return CellScore(levels, sigma, decoded_from, seeds, images, metrics, psnr - 0.4)


def decoding(levels):
    return "mean" if levels["model"] == "VAE" else "latents"


def comparison(levels, reference, along, sigma, metric, verdict, seeds):
    where = {axis: level for axis, level in levels.items() if axis != along}
    scale = {"psnr": 1.0, "ssim": 0.025, "mse": 0.001}[metric]
    difference = scale * {"higher": 0.35, "lower": -1.4, "hint": 0.14, "none": 0.03, "one seed": 0.3}[verdict]
    half = scale * {"hint": 0.12, "none": 0.12}.get(verdict, 0.2)
    one = verdict == "one seed"
    sentence = (
        f"{levels[along]} against {reference}: {difference:+.2f} [{difference - half:.2f}, {difference + half:.2f}]"
    )
    words = {"none": ", no difference that this study can see", "hint": ", a hint only", "one seed": ", one seed only"}
    words = words.get(verdict, f", {verdict}")
    return Comparison(
        along, levels[along], reference, where, sigma, (decoding(levels),) * 2, metric, difference,
        None if one else difference - half, None if one else difference + half, None if one else 0.0004,
        None if one else 0.031, difference - half / 2, difference + half / 2, 0.002, None if one else 0.06 * scale,
        seeds, 361, verdict, f"{sentence}{words} ({', '.join(where.values())}, σ {sigma:g}).",
    )  # fmt: skip


def rate_content():
    def point(codec, low, model, quality, bits):
        octaves = np.log2(bits / 0.1)
        payload = (bits * 0.97, bits * 0.96) if model else (None, None)
        settings = {"default": True} if quality == 50 else {}
        metrics = {
            "psnr": low + 4.5 * octaves,
            "psnr_of_mean_mse": low + 4.4 * octaves,
            "ssim": 0.5 + 0.08 * octaves + (low - 20) / 50,
            "ms_ssim": None,
        }
        return RatePoint(codec, quality, 361, 2048 * bits, bits, *payload, metrics, 900.0, 1200.0, settings)

    def points(codec, low, model):
        pairs = ((10, 0.12), (30, 0.3), (50, 0.6), (70, 1.1), (90, 2.2))
        return [point(codec, low, model, quality, bits) for quality, bits in pairs]

    classical = (("jpeg", 17.0), ("webp", 19.0), ("avif", 20.5))

    return RateContent(
        "ffhq test, 14,000 images; classical codecs at best effort",
        (*points("ae_l2", 20.0, True), *(one for codec, low in classical for one in points(codec, low, False))),
        (
            BdRate("ae_l2", "jpeg", "psnr", -41.2, (21.0, 33.5)),
            BdRate("ae_l2", "jpeg", "ssim", -38.0, (0.52, 0.83)),
            BdRate("ae_l2", "avif", "psnr", 12.5, (21.0, 33.5)),
            BdRate("ae_l2", "avif", "ssim", None, None, "curves of ae_l2 and avif share too little SSIM <below 0.6>"),
        ),
    )  # fmt: skip


def study(axes=AXES, seeds=3, sigmas=SIGMAS, images=60, epochs=30, side=64, hostile=True, examples=True):
    """A study over the product of ``axes``, the last one compared; ``hostile`` names if asked."""
    along = list(axes)[-1]
    cells, scores, comparisons, runs = [], [], [], []
    verdicts = itertools.cycle(VERDICTS)
    for place, levels in enumerate(
        dict(zip(axes, product, strict=True)) for product in itertools.product(*axes.values())
    ):
        way = decoding(levels)
        names = tuple(f"{'-'.join(levels.values()).lower().replace(' ', '_')}-{seed}" for seed in range(seeds))
        cells.append(StudyCell(levels, names, "jax", f"recipe_{place}"))
        scores += [cell_score(levels, sigma, way, seeds, images, psnr_at(levels, sigma)) for sigma in sigmas]
        reference = axes[along][0]
        if levels[along] != reference:
            for sigma in sigmas:
                verdict = next(verdicts)
                for metric in ("psnr", "ssim"):
                    verdict = verdict if seeds > 1 else "one seed"
                    comparisons.append(comparison(levels, reference, along, sigma, metric, verdict, seeds))
        for seed, name in enumerate(names):
            runs.append(_run(levels, name, seed, place, sigmas, way, images, epochs, side, examples))
    comparisons.sort(key=lambda one: one.sigma)
    nothing = tuple(cell_score({}, sigma, "input", 1, images, -20 * np.log10(sigma) + 0.4) for sigma in sigmas if sigma)
    question = "Which regulariser helps, clean and under noise?" + (f" {HOSTILE}" if hostile else "")
    made = StudyRecord(
        "regularization", question, "3f2a9c1b04", "kerasae study recipes/studies/regularization.toml", axes,
        tuple(range(seeds)), sigmas, "test", "photos", "photos", "4db65ecf52f5415f", along, len(comparisons),
        tuple(cells), tuple(scores), nothing, tuple(comparisons),
        (
            "L1 is worse than no regulariser by 1.40 dB [1.20, 1.60] on clean images, for AE and VAE alike.",
            "L2 against none: +0.03 dB [−0.09, 0.15], no difference that this study can see.",
            "Trained with noise, both models keep 1.2 dB more at σ 0.1 than trained clean.",
        ),
        {f"ae-{HOSTILE}": f"loss is not finite: {HOSTILE}"} if hostile else {}, 3312.0,
    )  # fmt: skip
    title = f"Regularisation, noise and seeds {HOSTILE if hostile else ''}".strip()
    return ReportContent(
        title, "kerasae report studies/regularization",
        tuple(runs), made, (), (rate_content(),), {"photos": CARD, "ethics": "# ethics\n\nText."},
    )  # fmt: skip


def _run(levels, name, seed, place, sigmas, way, images, epochs, side, examples):
    trained = 0.1 if levels.get("training") == "noise" else 0.0
    recipe = {"name": f"recipe_{place}", "noise": {"sigma": trained}, "model": {"kind": levels["model"].lower()},
              "regulariser": {"kind": levels.get("regulariser", "none")}}  # fmt: skip
    shown = [sigma for sigma in (0.0, 0.1) if sigma in sigmas]
    found = [
        example(rank, psnr_at(levels, sigma) + more, sigma, way, 3 * (place % 2) + number, side)
        for sigma in shown
        for number, (rank, more) in enumerate((("best", 5), ("median", 0), ("worst", -6)))
    ]
    return RunContent(
        record(name, seed=seed, recipe_name=f"recipe_{place}", backend="jax",
               versions={"keras": "3.15.1", "jax": "0.7.0"}, image_counts={"training": 1250, "test": 361}),
        recipe,
        (),
        history(epochs, 100 * place + seed),
        tuple(image_scores(psnr_at(levels, sigma), sigma, way, 10 * place + seed, images) for sigma in shown),
        tuple(found) if examples and seed == 0 else (),
        latents(8 + place) if levels["model"] == "VAE" else None,
    )  # fmt: skip


def single_run(kind="vae", hostile=True, measured=True):
    """A page about one run: a VAE decoded in two ways, or an autoencoder."""
    name = f"{kind}-{HOSTILE}" if hostile else f"{kind}-3f2a9c1b04-0"
    ways = {"mean": 20.0, "sample": 19.0} if kind == "vae" else {"latents": 24.0}
    more = {"kl_nats": 27.25, "active_units": 12} if kind == "vae" else {}
    scores = [score(name, way, sigma, base - 14 * sigma, **more) for way, base in ways.items() for sigma in SIGMAS]
    nothing = tuple(score(name, "input", sigma, -20 * np.log10(sigma) + 0.4) for sigma in SIGMAS if sigma)
    way = next(iter(ways))
    run = RunContent(
        record(name, versions={"keras": "3.15.1"}, image_counts={"training": 1250, "test": 361}),
        {"name": name, "model": {"kind": kind}, "noise": {"sigma": 0.0}},
        tuple(scores) if measured else (),
        history(40, 1) if measured else (),
        tuple(image_scores(ways[way], sigma, way, 5, 200) for sigma in (0.0, 0.1)) if measured else (),
        tuple(
            example(
                rank, 26.0 - 4 * place - 20 * sigma, sigma, way, place, 96, channels=3, name=f"{HOSTILE}{place}.png"
            )
            for sigma in (0.0, 0.1)
            for place, rank in enumerate(("best", "median", "2nd worst", "worst"))
        )
        if measured
        else (),
        latents() if kind == "vae" and measured else None,
    )
    rates = (rate_content(),) if measured else ()
    audits = (audit_content(HOSTILE if hostile else "a"),) if measured else ()
    title = f"Run {name}"
    return ReportContent(
        title, "kerasae report " + name, (run,), None, nothing if measured else (), rates, {}, audits
    )  # fmt: skip


def audit_content(group):
    """An audit of a codec that loses small marks and serves one group worse, ``group`` by name, beside WebP."""
    points, groups, marks = [], [], []
    for quality, bits in ((1.0, 0.07), (4.5, 0.16)):
        for codec, beside, more in (("codec", None, 0.0), ("webp", f"codec at {quality:g}", -0.05)):
            psnr = Estimate(30 + 10 * bits, 29.5 + 10 * bits, 30.5 + 10 * bits, 60)
            points.append(CodecPoint(codec, quality, beside, 2048 * bits, bits, psnr, Estimate(0.9, 0.89, 0.91, 60)))
            gap = Estimate(-1.2, -1.8, -0.6, 60)
            groups.append(
                (
                    GroupScore("side", group, "psnr", 200, Estimate(29.0, 28.5, 29.5, 30), False, gap, 0.0004),
                    GroupScore(
                        "side", "b", "psnr", 180, Estimate(30.2, 29.8, 30.6, 30), False, replace(gap, mean=1.2), 0.0004
                    ),
                    GroupScore("side", "few", "psnr", 6, Estimate(30.0, 28.0, 32.0, 3), True),
                )
            )
            asked = [(None, None, None, 0.0), ("mole", None, None, 0.0)]
            asked += [(None, size, None, 0.12) for size in (4, 24)]
            asked += [(None, size, contrast, 0.0) for size in (None, 4, 24) for contrast in (0.12, 0.5)]
            for kind, size, contrast, least in asked:
                kept = min(1.0, 0.2 + 2 * bits + (size or 8) / 40 + more)
                retained = Estimate(kept, kept - 0.05, kept + 0.05, 60)
                about = (codec, quality, beside, kind, size, contrast, least)
                marks.append(MarkScore(*about, 40, retained, 0.4, 28.0, 0.8, 0.99, 0.1, 3.5))
    return Audit(
        "folder:faces test", ("codec-1",), 400, 60, "person", 0, 0.0, tuple(points), tuple(groups), tuple(marks)
    )
