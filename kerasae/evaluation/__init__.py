"""Evaluation: runs become scores."""

from kerasae.evaluation.evaluate_run import Evaluation as Evaluation
from kerasae.evaluation.evaluate_run import do_nothing as do_nothing
from kerasae.evaluation.evaluate_run import evaluate as evaluate
from kerasae.evaluation.noise_sweep import DEFAULT_SIGMAS as DEFAULT_SIGMAS
from kerasae.evaluation.noise_sweep import noise_sweep as noise_sweep
from kerasae.evaluation.score_run import score_run as score_run
