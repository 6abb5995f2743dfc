"""Trained run → everything that is written about how well it does."""

from kerasae.data import ImageSet
from kerasae.evaluation.choose_examples import choose_examples
from kerasae.evaluation.evaluate_run import evaluate
from kerasae.evaluation.save_scores import save_evaluation
from kerasae.models import Compressor
from kerasae.training import Run
from kerasae.training.examples import save_examples


def score_run(run: Run, images: ImageSet, model: Compressor) -> None:
    """Evaluate ``run`` on the validation and test images of its own and write scores and examples into its folder.

    ``scores.json`` comes last: it marks the run as evaluated.
    """
    evaluation = evaluate(run, images=images, model=model)
    save_examples(run.folder / "examples.npz", choose_examples(model, images, evaluation))
    save_evaluation(run.folder, evaluation)
