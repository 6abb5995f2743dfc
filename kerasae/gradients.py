"""A function and the gradient it shall have."""

from collections.abc import Callable

from keras import ops


def with_gradient(function: Callable, gradient: Callable) -> Callable:
    """Return ``function`` with ``gradient`` in the place of what the backend would derive.

    Args:
        function: tensors → one tensor.
        gradient: ``(upstream, *tensors)`` → the gradient by each of the tensors, of its shape: one tensor for one
            argument, a tuple for several. ``upstream`` has the shape of what ``function`` returns.

    TensorFlow takes no variable for an argument of what is returned; hand it ``ops.copy`` of one.
    """

    @ops.custom_gradient
    def call(*tensors):
        def backward(*args, upstream=None):
            # PyTorch's backend hands the upstream gradient by name, after the arguments; the others hand it alone.
            return gradient(args[0] if upstream is None else upstream, *tensors)

        return function(*tensors), backward

    return call
