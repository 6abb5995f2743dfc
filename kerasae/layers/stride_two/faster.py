"""Where the forms of this folder pay."""

from kerasae.runtime import xla_on_cpu

# With more channels than this on both sides, XLA's own forms are as fast, and need less memory.
_FEW_CHANNELS = 16


def is_faster(layer, kernel_shape) -> bool:
    """Return whether ``layer``, a convolution or its transpose, should compute with the functions of this folder.

    ``kernel_shape`` is ``(k, k, channels, filters)``. True on JAX's CPU backend alone, for stride 2, ``same`` padding,
    channels last, float32, a square kernel, and at most 16 channels on one side: what was measured.
    """
    return (
        layer.strides == (2, 2)
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and layer.dilation_rate == (1, 1)
        and layer.compute_dtype == "float32"
        and kernel_shape[0] == kernel_shape[1]
        and min(kernel_shape[2:]) <= _FEW_CHANNELS
        and xla_on_cpu()
    )
