"""Notice the first loss that is no number, without asking the accelerator in every step."""

import keras
from keras import ops


class FirstNonFinite(keras.metrics.Metric):
    """The step of the epoch, counted from 1, at which the loss first was NaN or infinite; 0 if it never was.

    Kept as state beside the model's, so that it is read when the progress bar is, and still names the exact step.
    """

    def __init__(self, name="first_non_finite", **kwargs):
        super().__init__(name=name, **kwargs)
        self.steps = self.add_variable((), "zeros", dtype="int32", name="steps")
        self.first = self.add_variable((), "zeros", dtype="int32", name="first")

    def update_state(self, loss):
        """Count one step and look at its loss, a scalar."""
        steps, first = self.steps.value + 1, self.first.value
        unseen_and_bad = ops.logical_and(ops.equal(first, 0), ops.logical_not(ops.isfinite(loss)))
        self.steps.assign(steps)
        self.first.assign(ops.where(unseen_and_bad, steps, first))

    def result(self):
        """Return the step, or 0."""
        return ops.cast(self.first.value, "float32")
