"""A comparison in one plain sentence."""

from kerasae.records import Comparison

_UNITS = {"psnr": (" dB", 2), "ssim": ("", 4), "psnr_change": (" dB", 2)}
_WORDS = {"psnr": "PSNR", "ssim": "SSIM", "psnr_change": "what noise costs in PSNR"}


def sentence(one: Comparison, *, family: int) -> str:
    """Return what ``one`` says, with its interval, the noise, and how sure it is; ``family``: comparisons counted."""
    unit, digits = _UNITS[one.metric]
    conditions = ", ".join([*one.where.values(), "clean" if one.sigma == 0 else f"σ {one.sigma:g}"])
    sign = "+" if one.difference > 0 else ""
    difference = f"{sign}{_written(one.difference, digits)}{unit}"
    head = f"{conditions}: {one.level} against {one.reference} in {_WORDS[one.metric]}: {difference}"
    bounds = (one.images_low, one.images_high) if one.verdict == "one seed" else (one.low, one.high)
    interval = f"[{', '.join(_written(bound, digits) for bound in bounds)}]"
    if one.verdict == "one seed":
        return f"{head} {interval} over images; with one seed a side, nothing can be said of another training."
    return f"{head} {interval}, {_ending(one, family)}."


def _ending(one: Comparison, family: int) -> str:
    if one.verdict == "none":
        return "no difference that this study can see"
    if one.verdict == "hint":
        if abs(one.difference) <= one.seed_spread:
            return "less than the seeds' own spread, so not ranked"
        return f"a hint that does not hold among {family} comparisons (p = {_p(one.p_holm)} after Holm): try more seeds"
    return f"{_better(one)} (p = {_p(one.p_holm)} after Holm over {family})"


def _better(one: Comparison) -> str:
    if one.metric == "psnr_change":
        return "more robust" if one.verdict == "higher" else "less robust"
    return "better" if one.verdict == "higher" else "worse"


def _written(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "0.001 or less"
