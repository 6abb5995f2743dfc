"""One training step per backend: gradients and state only; what is minimised stands in ``models.base``."""

import keras

if keras.backend.backend() == "tensorflow":
    from kerasae.models.steps.tensorflow import Step as Step
    from kerasae.models.steps.tensorflow import compile_gradient as compile_gradient
    from kerasae.models.steps.tensorflow import compile_loop as compile_loop
    from kerasae.models.steps.tensorflow import compile_scorer as compile_scorer
elif keras.backend.backend() == "jax":
    from kerasae.models.steps.jax import Step as Step
    from kerasae.models.steps.jax import compile_gradient as compile_gradient
    from kerasae.models.steps.jax import compile_loop as compile_loop
    from kerasae.models.steps.jax import compile_scorer as compile_scorer
else:
    from kerasae.models.steps.torch import Step as Step
    from kerasae.models.steps.torch import compile_gradient as compile_gradient
    from kerasae.models.steps.torch import compile_loop as compile_loop
