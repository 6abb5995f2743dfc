"""What a reader of a study wants first."""

from kerasae.records import CellScore, Comparison, StudyRecord


def answer(record: StudyRecord) -> list[str]:
    """Return three or four sentences: the best on clean images, in noise, what differs, and what could not be seen."""
    sentences = [_best(record, record.sigmas[0])]
    noisy = [sigma for sigma in record.sigmas if sigma]
    if noisy:
        near = min(noisy, key=lambda sigma: abs(sigma - 0.1))
        sentences.append(_best(record, near) + _against_nothing(record, near))
    if record.comparisons:
        sentences.append(_differences(record))
    if record.failed:
        count = len(record.failed)
        sentences.append(f"{count} run{'s' * (count > 1)} failed and {'are' if count > 1 else 'is'} missing here.")
    return sentences


def _main_scores(record: StudyRecord, sigma: float) -> list[CellScore]:
    """Return each cell's score at ``sigma``, decoded as the cell is compared: the first of its scores."""
    first: dict[tuple, CellScore] = {}
    for score in record.scores:
        if score.sigma == sigma:
            first.setdefault(tuple(score.levels.items()), score)
    return list(first.values())


def _best(record: StudyRecord, sigma: float) -> str:
    scores = sorted(_main_scores(record, sigma), key=lambda score: -score.psnr.mean)
    best, rest = scores[0], scores[1:]
    where = "On clean images" if sigma == 0 else f"Under noise of σ {sigma:g}"
    head = f"{where} {best.label} reaches {_db(best.psnr)} PSNR and SSIM {best.ssim.mean:.3f}"
    # Intervals that overlap do not prove equality, but they are no ground for an order either.
    level = [score.label for score in rest if score.psnr.high >= best.psnr.low]
    if not rest:
        return f"{head}."
    if not level:
        return f"{head}, ahead of every other cell (next: {rest[0].label}, {_db(rest[0].psnr)})."
    names = "; ".join(level[:3]) + (f" and {len(level) - 3} more" if len(level) > 3 else "")
    return f"{head}; within its interval there {'is' if len(level) == 1 else 'are'} also {names}."


def _against_nothing(record: StudyRecord, sigma: float) -> str:
    nothing = next((score for score in record.do_nothing if score.sigma == sigma), None)
    if nothing is None:
        return ""
    scores = _main_scores(record, sigma)
    worse = sum(score.psnr.mean < nothing.psnr.mean for score in scores)
    tail = f"{worse} of {len(scores)} cells do worse than that" if worse else "every cell does better than that"
    return f" Doing nothing gives {nothing.psnr.mean:.2f} dB; {tail}."


def _differences(record: StudyRecord) -> str:
    psnr = [one for one in record.comparisons if one.metric == "psnr"]
    if all(one.verdict == "one seed" for one in psnr):
        return f"With one seed a side, none of the {len(psnr)} comparisons says anything of another training."
    axes = dict.fromkeys(one.axis for one in psnr)
    parts = [_along(axis, [one for one in psnr if one.axis == axis]) for axis in axes]
    return f"Of the comparisons in PSNR, {'; '.join(parts)}. Where none is seen, more seeds would tell."


def _along(axis: str, comparisons: list[Comparison]) -> str:
    sure = [one for one in comparisons if one.verdict in ("higher", "lower")]
    hints = sum(one.verdict == "hint" for one in comparisons)
    words = f"{len(sure)} of {len(comparisons)} along {axis} show a difference"
    if hints:
        words += f" and {hints} give{'s' * (hints == 1)} a hint"
    if sure:
        words += f", the largest {_named(max(sure, key=lambda one: abs(one.difference)))}"
    return words


def _named(one: Comparison) -> str:
    where = ", ".join([*one.where.values(), "clean" if one.sigma == 0 else f"σ {one.sigma:g}"])
    difference = f"{one.difference:+.2f}".replace("-", "−")
    return f"{one.level} against {one.reference} ({where}): {difference} dB"


def _db(summary) -> str:
    return f"{summary.mean:.2f} dB [{summary.low:.2f}, {summary.high:.2f}]"
