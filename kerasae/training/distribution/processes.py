"""Meeting the other processes, and leaving them."""

import sys

from kerasae.training.distribution.asked import processes_asked


def join_processes() -> None:
    """Meet the processes of Keras' ``KERAS_DISTRIBUTION_…`` variables; does nothing where there are none or again.

    JAX must not have looked for its devices yet. Raises ``BackendError`` where the processes do not meet.
    """
    if processes_asked()[0] > 1:
        from kerasae.training.distribution.jax import join

        join()


def leave_processes() -> None:
    """Wait until all processes are here and part; each goes on by itself with its own devices."""
    if "kerasae.training.distribution.jax" in sys.modules:
        from kerasae.training.distribution.jax import leave

        leave()
