"""One training step per backend: gradients and state only; what is minimised stands in ``training.objective``."""

import keras

if keras.backend.backend() == "tensorflow":
    from kerasae.training.steps.tensorflow import Step as Step
elif keras.backend.backend() == "jax":
    from kerasae.training.steps.jax import Step as Step
else:
    from kerasae.training.steps.torch import Step as Step
