"""How runs, noise, numbers and verdicts are put into words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kerasae.metrics.registry import METRICS, Metric, compared_metrics
from kerasae.records import CellScore, RateContent, ReportContent, Score, Summary

# Not measured of an image, but made of what was.
_DERIVED = {
    "psnr_of_mean_mse": replace(METRICS["psnr"], name="psnr_of_mean_mse", label="PSNR of mean MSE"),
    "psnr_change": replace(METRICS["psnr"], name="psnr_change", label="PSNR lost to noise"),
}
DECODINGS = {"mean": "from the mean", "sample": "from a sample"}


def metric_named(name: str) -> Metric:
    """Return what the registry, or the list of what is derived from it, says of a metric."""
    return METRICS.get(name) or _DERIVED.get(name) or Metric(name, name, "", 4, True, -math.inf, math.inf, "")


def measured_metrics(records: Iterable) -> list[str]:
    """Return the metrics that any of ``records`` has: those by which models are compared first, then the rest."""
    found = {name for record in records for name, value in record.metrics.items() if value is not None}
    return sorted(found & set(METRICS), key=lambda name: (name not in compared_metrics(), list(METRICS).index(name)))


def quality(metrics: Mapping[str, float]) -> str:
    """Return ``PSNR 23.99 dB, SSIM 0.612``: the metrics by which models are compared."""
    known = [about for name, about in compared_metrics().items() if name in metrics]
    return ", ".join(f"{about.label} {about.format(metrics[about.name])} {about.unit}".rstrip() for about in known)


def with_decoding(label: str, decoded_from: str) -> str:
    """Return ``label`` with the way of decoding, where a model has several."""
    return f"{label}, {DECODINGS[decoded_from]}" if decoded_from in DECODINGS else label


def at_sigma(sigma: float) -> str:
    """Return ``clean`` or ``σ 0.1``."""
    return f"σ {sigma:g}" if sigma else "clean"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, a typographic minus, and none before a rounded 0."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def sigmas_of(content: ReportContent) -> list[float]:
    """Return every sigma that was scored."""
    if content.study:
        return sorted({score.sigma for score in content.study.scores})
    return sorted({score.sigma for run in content.runs for score in run.scores})


def chosen_sigmas(content: ReportContent) -> list[float]:
    """Return the sigmas that the first table shows: clean, and the one that stands best for noise.

    That is a sigma some run was trained with, else the one nearest 0.1.
    """
    sigmas = sigmas_of(content)
    trained = [sigma for run in content.runs if (sigma := training_sigma(run.recipe))]
    noisy = [sigma for sigma in sigmas if sigma]
    wanted = trained[0] if trained else 0.1
    nearest = [min(noisy, key=lambda sigma: (abs(sigma - wanted), sigma))] if noisy else []
    return [sigma for sigma in sigmas if not sigma] + nearest


def training_sigma(recipe: dict) -> float:
    """Return the sigma of the noise that a recipe trains with, 0 where it has none."""
    noise = recipe.get("noise")
    return float(noise.get("sigma") or 0) if isinstance(noise, dict) else 0.0


def is_reference(score: Score | CellScore) -> bool:
    """Return whether a score is of doing nothing."""
    return score.decoded_from == "input"


def is_exact(score: Score | CellScore) -> bool:
    """Return whether a score is of the clean image against itself, which says nothing."""
    return is_reference(score) and not score.sigma


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3 min 07 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def in_order(items: Iterable) -> list:
    """Return each item once, in the order of its first appearance."""
    return list(dict.fromkeys(items))


def answer(content: ReportContent) -> tuple[str, ...]:
    """Return the study's own sentences, or those that the scores and rates of the first run make."""
    if content.study:
        return content.study.answer
    if not content.runs or not content.runs[0].scores:
        return ("Nothing has been measured of this run yet.",)
    scores = [score for score in content.runs[0].scores if not is_reference(score)]
    split = "test" if any(score.split == "test" for score in scores) else scores[0].split
    scores = [score for score in scores if score.split == split]
    nothing = [score for score in (*content.runs[0].scores, *content.do_nothing) if is_reference(score)]
    sentences = [_quality(scores), *_noise(scores, nothing, chosen_sigmas(content))]
    sentences += _rate(content.rates, scores[0])
    return tuple(sentence for sentence in sentences if sentence)


def _words(score: Score) -> str:
    named = [(METRICS[name], score.metrics[name]) for name in ("psnr", "ssim")]
    return " and ".join(f"{about.label} {_with_interval(about, one)}" for about, one in named)


def _with_interval(about: Metric, summary: Summary) -> str:
    unit = f" {about.unit}" if about.unit else ""
    return f"{about.format(summary.mean)}{unit} [{about.format(summary.low)}, {about.format(summary.high)}]"


def _quality(scores: Sequence[Score]) -> str:
    clean = [score for score in scores if not score.sigma] or list(scores[:1])
    first = clean[0]
    under = f" under noise of σ {first.sigma:g}" if first.sigma else ""
    sentence = f"On {first.count:,} {first.split} images of {first.data}{under}, {first.run} reaches {_words(first)}"
    sentence += f", decoded from the {first.decoded_from}" if first.decoded_from in ("mean", "sample") else ""
    for other in clean[1:]:
        sentence += (
            f"; decoded from {'the' if other.decoded_from == 'mean' else 'a'} {other.decoded_from}, {_words(other)}"
        )
    return sentence + "."


def _noise(scores: Sequence[Score], nothing: Sequence[Score], sigmas: Sequence[float]) -> list[str]:
    sigma = max(sigmas, default=0.0)
    noisy = [score for score in scores if score.sigma == sigma]
    if not sigma or not noisy:
        return []
    best = max(noisy, key=lambda score: score.metrics["psnr"].mean)
    start = f"Under noise of σ {sigma:g} it reaches {_words(best)}"
    against = [score for score in nothing if score.sigma == sigma and score.split == best.split]
    if not against:
        return [start + "."]
    own, other = best.metrics["psnr"], against[0].metrics["psnr"]
    if own.low > other.high:
        verdict = "the model takes away more noise than it takes from the image"
    elif own.high < other.low:
        verdict = "the noisy image itself is the better one"
    else:
        verdict = "the two intervals overlap"
    return [f"{start}, where doing nothing gives {other.mean:.2f} dB: {verdict}."]


def _rate(rates: Sequence[RateContent], score: Score) -> list[str]:
    """Return what the files take, of images that were scored as well: those of other images do not belong beside."""
    same = f"{score.data} {score.split}, {score.count:,} image"
    for rate in (rate for rate in rates if rate.title.startswith(same)):
        own = [point for point in rate.points if point.estimated_bits_per_pixel is not None and not point.sigma]
        chosen = [point for point in own if point.settings.get("default")] or own
        if chosen:
            point = chosen[0]
            sentence = f"Its files take {point.bits_per_pixel:.3f} bits per pixel at {point.metrics['psnr']:.2f} dB"
            return [sentence + _bd(rate, point.codec) + "."]
    return []


def _bd(rate: RateContent, codec: str) -> str:
    found = [
        row
        for row in rate.bd_rates
        if (row.codec, row.metric, row.counted) == (codec, "psnr", "files") and row.bd_rate_percent is not None
    ]
    parts = [
        f"{abs(row.bd_rate_percent):.0f} % {'fewer' if row.bd_rate_percent < 0 else 'more'} bits than {row.against}"
        for row in found
    ]
    return f"; at equal PSNR {', '.join(parts)}" if parts else ""
