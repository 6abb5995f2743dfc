from .examples import score_run as score_run
from .score import Evaluation as Evaluation
from .score import do_nothing as do_nothing
from .score import evaluate as evaluate
from .sweep import DEFAULT_SIGMAS as DEFAULT_SIGMAS
from .sweep import noise_sweep as noise_sweep
