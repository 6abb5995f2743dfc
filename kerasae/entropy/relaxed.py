"""What stands for rounding, for the decoder and for the rate."""

from kerasae.layers import straight_through_round


def relaxed(noise, encoded, steps, centres, *, sample: bool, quantization: str):
    """Return the latents that the decoder is given and those that the rate is taken of, both like ``encoded``.

    Without ``sample`` both are ``encoded`` rounded to whole ``steps`` from ``centres``, with the gradient of the
    identity. With it the rate is that of latents with ``noise``, a ``UniformNoise``, over one step; the decoder is
    given the same (``quantization`` of ``noise``) or rounded ones (``mixed``: Minnen & Singh 2020, "Channel-wise
    autoregressive entropy models for learned image compression").
    """
    noisy = noise(encoded / steps) * steps if sample else None
    if sample and quantization == "noise":
        return noisy, noisy
    rounded = straight_through_round((encoded - centres) / steps) * steps + centres
    return rounded, noisy if sample else rounded
