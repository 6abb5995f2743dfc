"""How far a number can be trusted: intervals and tests over images and seeds. NumPy and SciPy only, no Keras."""

from kerasae.statistics.bootstrap import bootstrap_interval as bootstrap_interval
from kerasae.statistics.difference import Difference as Difference
from kerasae.statistics.difference import paired_difference as paired_difference
from kerasae.statistics.holm import holm as holm
from kerasae.statistics.seed_interval import seed_interval as seed_interval
