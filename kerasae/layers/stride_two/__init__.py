"""Stride-2 convolution, its transpose and their gradients without dilation, for XLA on the CPU.

XLA's CPU convolutions are slow where a convolution is dilated: in the transposed pass, and in both gradients of a
strided convolution; few channels make it worse. Here the two passes are written as one another's gradient, each in the
form that measured fastest, so that nothing is left for automatic differentiation to dilate.

**Geometry.** ``same`` padding, as TensorFlow defines it, puts ``p = max(k − 2, 0) // 2`` pixels in front of an even
side; tap ``t`` of a kernel of ``k`` thus reads, in each axis::

    down:  y[i] = Σ_t w[t] · x[2i + t − p]          up (transpose):  x[2i + t − p] += w[t] · y[i]

Cut the pixels into blocks of two, ``x[2m + r] = X[m, r]``, and put ``f = p mod 2`` zeros in front of the kernel, and
behind it as many as make its length even, ``2K``; with ``w[2d + r − f] = W[d, r]`` and ``b = ⌈p / 2⌉`` the same sums
run over whole blocks, with stride 1::

    down:  y[i] = Σ_d Σ_r W[d, r] · X[i + d − b, r]         up:  X[m, r] = Σ_d W[d, r] · y[m − d + b]

    kernel gradient of both:  W[d, r] = Σ_m X[m, r] · y[m − d + b]

For ``k = 3``: ``p = b = f = 0``, ``K = 2``: ``y[i] = w0 x[2i] + w1 x[2i+1] + w2 x[2i+2]`` reads blocks ``i`` and
``i + 1``.

Below, ``big`` is ``(batch, height, width, channels)`` with even sides, ``small``
``(batch, height/2, width/2, filters)`` and a kernel ``(k, k, channels, filters)``: what Keras stores for a ``Conv2D``
from ``big`` to ``small`` and for a ``Conv2DTranspose`` from ``small`` to ``big``.
"""

from kerasae.layers.stride_two.down import stride_two_down
from kerasae.layers.stride_two.faster import is_faster
from kerasae.layers.stride_two.up import stride_two_up

__all__ = ["is_faster", "stride_two_down", "stride_two_up"]
