"""How runs, noise and ways of decoding are called in a report."""

from collections.abc import Iterable

from kerasae.records import CellScore, ReportContent, Score

METRICS = {"psnr": "PSNR, dB", "ssim": "SSIM", "mse": "MSE"}
DECODINGS = {"mean": "from the mean", "sample": "from a sample"}


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


def minus(text: str) -> str:
    """Return ``text`` with a typographic minus."""
    return text.replace("-", "−")


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


def in_order(items: Iterable) -> list:
    """Return each item once, in the order of its first appearance."""
    return list(dict.fromkeys(items))
