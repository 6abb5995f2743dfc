"""What the two hyperprior codecs share."""

from kerasae.models.hyperprior_bottleneck import HyperpriorBottleneck
from kerasae.models.learned_codec import DENSITIES, LearnedCodec
from kerasae.models.transforms import HYPER_STRIDE


class HyperpriorCodec(LearnedCodec):
    """A learned codec with ``hyper_channels`` channels of hyper-latents, behind layers of ``hyper_width`` channels."""

    #: Whether the hyper-latents tell a mean besides the scale.
    with_mean = False

    def __init__(self, *, hyper_width=64, hyper_channels=32, **kwargs):
        self._hyper_sizes = (hyper_width, hyper_channels)
        super().__init__(**kwargs)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the hyper-latents."""
        return self.latent_stride * HYPER_STRIDE

    def _build_bottleneck(self):
        width, channels = self._hyper_sizes
        return HyperpriorBottleneck(
            self.latent_channels,
            width,
            DENSITIES[self.density](channels, initial_scale=1.0, name="density"),
            with_mean=self.with_mean,
            levels=self.levels,
            span=self.span,
            default_quality=self.default_quality,
            quantization=self.quantization,
            seed=self.seed,
            regularizer=self.kernel_regularizer,
            name="bottleneck",
        )

    def get_config(self):
        """Return what is needed to build the model again."""
        width, channels = self._hyper_sizes
        return super().get_config() | {"hyper_width": width, "hyper_channels": channels}
