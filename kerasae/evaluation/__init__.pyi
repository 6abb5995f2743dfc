from .score import DEFAULT_SIGMAS as DEFAULT_SIGMAS
from .score import Evaluation as Evaluation
from .score import do_nothing as do_nothing
from .score import evaluate as evaluate
from .score import noise_sweep as noise_sweep
from .score import score_run as score_run
