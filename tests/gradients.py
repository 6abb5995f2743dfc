"""Values and gradients on whichever backend runs, and gradients by central differences in float64.

On JAX both are compiled as a whole: one by one, XLA would compile each operation by itself, which takes far longer.
"""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def evaluate(function, *inputs):
    """Return ``function(*inputs)``, a tensor or several, as NumPy; the inputs become float32 tensors."""
    inputs = [keras.ops.convert_to_tensor(np.asarray(part, "float32")) for part in inputs]
    if BACKEND == "jax":
        import jax

        function = jax.jit(function)
    found = function(*inputs)
    return (
        [keras.ops.convert_to_numpy(part) for part in found]
        if isinstance(found, tuple)
        else (keras.ops.convert_to_numpy(found))
    )


def gradients(function, inputs, variables=()):
    """Return the gradient of the scalar ``function(*inputs)`` for each input and each Keras variable, as NumPy."""
    inputs = [keras.ops.convert_to_tensor(np.asarray(part, "float32")) for part in inputs]
    found = globals()[f"_{BACKEND}"](function, inputs, list(variables))
    return [keras.ops.convert_to_numpy(gradient) for gradient in found]


def central_differences(function, inputs, step=1e-5):
    """Return the same of a NumPy float64 ``function``, element by element."""
    inputs = [np.array(part, np.float64) for part in inputs]
    found = []
    for part in inputs:
        gradient = np.empty_like(part)
        for place in np.ndindex(part.shape):
            kept, sides = part[place], []
            for part[place] in (kept - step, kept + step):
                sides.append(function(*inputs))
            part[place] = kept
            gradient[place] = (sides[1] - sides[0]) / (2 * step)
        found.append(gradient)
    return found


def _tensorflow(function, inputs, variables):
    import tensorflow as tf

    targets = [*inputs, *(variable.value for variable in variables)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    return tape.gradient(value, targets, unconnected_gradients="zero")


def _jax(function, inputs, variables):
    import jax

    def stateless(inputs, values):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*inputs)

    found = jax.jit(jax.grad(stateless, argnums=(0, 1)))(inputs, [variable.value for variable in variables])
    return [*found[0], *found[1]]


def _torch(function, inputs, variables):
    import torch

    inputs = [part.requires_grad_() for part in inputs]
    targets = [*inputs, *(variable.value for variable in variables)]
    return torch.autograd.grad(function(*inputs), targets, materialize_grads=True, allow_unused=True)
