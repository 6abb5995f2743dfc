"""What a reader wants first, in about three sentences."""

from collections.abc import Sequence

from kerasae.records import RateContent, ReportContent, Score
from kerasae.reports.tables.numbers import written
from kerasae.reports.text.naming import chosen_sigmas, is_reference


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
    sentences = [_quality(scores), *_noise(scores, nothing, chosen_sigmas(content)), *_rate(content.rates)]
    return tuple(sentence for sentence in sentences if sentence)


def _words(score: Score) -> str:
    psnr, ssim = (
        f"{written(metric, one.mean)}{unit} [{written(metric, one.low)}, {written(metric, one.high)}]"
        for metric, one, unit in (("psnr", score.psnr, " dB"), ("ssim", score.ssim, ""))
    )
    return f"PSNR {psnr} and SSIM {ssim}"


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
    best = max(noisy, key=lambda score: score.psnr.mean)
    start = f"Under noise of σ {sigma:g} it reaches {_words(best)}"
    against = [score for score in nothing if score.sigma == sigma and score.split == best.split]
    if not against:
        return [start + "."]
    other = against[0].psnr
    if best.psnr.low > other.high:
        verdict = "the model takes away more noise than it takes from the image"
    elif best.psnr.high < other.low:
        verdict = "the noisy image itself is the better one"
    else:
        verdict = "the two intervals overlap"
    return [f"{start}, where doing nothing gives {written('psnr', other.mean)} dB: {verdict}."]


def _rate(rates: Sequence[RateContent]) -> list[str]:
    for rate in rates:
        own = [point for point in rate.points if point.payload_bits_per_pixel is not None and not point.sigma]
        chosen = [point for point in own if point.settings.get("default")] or own
        if chosen:
            point = chosen[0]
            sentence = f"Its files take {point.bits_per_pixel:.3f} bits per pixel at {point.psnr:.2f} dB"
            return [sentence + _bd(rate, point.codec) + "."]
    return []


def _bd(rate: RateContent, codec: str) -> str:
    found = [
        row for row in rate.bd_rates if row.codec == codec and row.metric == "psnr" and row.bd_rate_percent is not None
    ]
    parts = [
        f"{abs(row.bd_rate_percent):.0f} % {'fewer' if row.bd_rate_percent < 0 else 'more'} bits than {row.against}"
        for row in found
    ]
    return f"; at equal PSNR {', '.join(parts)}" if parts else ""
