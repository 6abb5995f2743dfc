"""``Recipe`` → the devices it trains on."""

from kerasae.recipe import Recipe
from kerasae.training.distribution.asked import asked_for
from kerasae.training.distribution.one_device import OneDevice
from kerasae.training.distribution.processes import join_processes
from kerasae.training.distribution.threads import ask_for_threads


def choose_devices(recipe: Recipe) -> OneDevice:
    """Return the devices that ``recipe`` and the environment ask for; several processes meet here.

    Raises ``BackendError`` as ``asked_for`` does, and where there are fewer devices.
    """
    import keras

    asked = asked_for(recipe, keras.backend.backend())
    if asked.devices == 1:
        return OneDevice()
    ask_for_threads(asked.devices)
    join_processes()

    from kerasae.training.distribution.jax import ManyDevices

    return ManyDevices(asked)
