"""How far a number can be trusted: intervals and tests over images and seeds. NumPy and SciPy only, no Keras."""

from kerasae.statistics.bootstrap import bootstrap_interval as bootstrap_interval
