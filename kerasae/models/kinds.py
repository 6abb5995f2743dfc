"""The shipped kinds of model: what a recipe says of each, and the networks it builds of that.

``conv_autoencoder`` and ``mlp_vae`` are the reference study's, ``conv_vae`` is the larger VAE; ``factorized_prior``,
``scale_hyperprior`` and ``mean_scale_hyperprior`` are the learned codecs.
"""

import math
from typing import ClassVar, Literal

from pydantic import Field

from kerasae.recipes.section import ModelSettings, Width, Widths


class ConvAutoencoder(ModelSettings):
    """The reference study's autoencoder: one stride-2 convolution per entry of ``filters``, mirrored back.

    The last entry is the number of latent channels. With ``filters = (8, 4)`` on 128×128 gray images, 741 parameters::

        image 128×128×1 ─conv 8, relu─▶ 64×64×8 ─conv 4, relu─▶ latents 32×32×4
        latents 32×32×4 ─convT 8, relu─▶ 64×64×8 ─convT 1, sigmoid─▶ image 128×128×1
    """

    kind: Literal["conv_autoencoder"] = "conv_autoencoder"
    filters: Widths = (8, 4)
    # A kernel of 1 reads one pixel of four; with it TensorFlow 2.21 writes past its memory on a CPU.
    kernel_size: int = Field(3, ge=2, le=15)

    @property
    def stride(self) -> int:
        """Pixels of a side per latent position."""
        return 2 ** len(self.filters)

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        import keras

        from kerasae.layers import GlorotUniform, StridedConv2D, StridedConv2DTranspose
        from kerasae.models import Autoencoder

        settings = {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}
        images = x = keras.Input(image_shape, name="images")
        for index, width in enumerate(self.filters):
            x = StridedConv2D(width, self.kernel_size, activation="relu", name=f"down_{index}", **settings)(x)
        encoder = keras.Model(images, x, name="encoder")

        latents = x = keras.Input(x.shape[1:], name="latents")
        widths = [*reversed(self.filters[:-1]), image_shape[-1]]
        for index, width in enumerate(widths):
            activation = "sigmoid" if index == len(widths) - 1 else "relu"
            x = StridedConv2DTranspose(width, self.kernel_size, activation=activation, name=f"up_{index}", **settings)(
                x
            )
        images = keras.layers.Activation("linear", dtype="float32")(x)
        decoder = keras.Model(latents, images, name="decoder")
        model = Autoencoder(encoder, decoder, takes_any_size=True, stride=self.stride, name=self.kind)
        model.images_are_independent = True
        return model


class _Vae(ModelSettings):
    is_variational: ClassVar[bool] = True

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder; ``conv`` and ``dense`` make layers as all kernels are to be."""
        raise NotImplementedError

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        from keras import layers

        from kerasae.layers import GlorotUniform
        from kerasae.models import VariationalAutoencoder

        kernel = {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}

        def conv(width, kernel_size, name, activation=None):
            return layers.Conv2D(width, kernel_size, padding="same", activation=activation, name=name, **kernel)

        def dense(units, name, activation=None):
            return layers.Dense(units, activation, name=name, **kernel)

        encoder, decoder = self.networks(image_shape, conv, dense)
        return VariationalAutoencoder(
            encoder,
            decoder,
            beta=objective.rate_weight,
            likelihood=objective.likelihood,
            seed=seed,
            takes_any_size=False,
            stride=self.stride,
            name=self.kind,
        )


class MlpVae(_Vae):
    """The reference study's variational autoencoder: dense ``hidden`` layers around ``latent_size`` latents.

    Kingma & Welling 2014. With ``hidden = (512,)`` and ``latent_size = 200`` on 128×128 gray images::

        image ─flatten─▶ 16384 ─dense, relu─▶ 512 ─dense─▶ mean 200
                                                  ─dense─▶ log-variance 200
        latents 200 ─dense, relu─▶ 512 ─dense, sigmoid─▶ 16384 ─▶ image
    """

    kind: Literal["mlp_vae"] = "mlp_vae"
    hidden: Widths = (512,)
    latent_size: int = Field(200, ge=1, le=65536)

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder."""
        import keras

        images = keras.Input(image_shape, name="images")
        x = keras.layers.Flatten(name="flatten")(images)
        for index, units in enumerate(self.hidden):
            x = dense(units, f"encoder_hidden_{index}", "relu")(x)
        posterior = [dense(self.latent_size, name)(x) for name in ("mean", "log_variance")]

        latents = x = keras.Input((self.latent_size,), name="latents")
        for index, units in enumerate(reversed(self.hidden)):
            x = dense(units, f"decoder_hidden_{index}", "relu")(x)
        x = dense(math.prod(image_shape), "pixels", "sigmoid")(x)
        decoded = keras.layers.Reshape(image_shape, name="image")(x)
        return keras.Model(images, posterior, name="encoder"), keras.Model(latents, decoded, name="decoder")


class ConvVae(_Vae):
    """Residual blocks at ever coarser scales around ``latent_size`` dense Gaussian latents.

    A space-to-depth stem takes ``stem`` pixels a side at once; then one scale per entry of ``widths``, each half the
    size of the one before, with ``residual_blocks`` blocks. ``neck`` channels of the coarsest scale reach the dense
    layers: with all of them these would be nine tenths of the weights, and learn the training images by heart. With
    ``stem = 4``, ``widths = (24, 48, 96)``, ``neck = 16`` and ``latent_size = 200`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×16 ─conv─▶ 32×32×24 ─halve─▶ 16×16×48 ─halve─▶ 8×8×96
              ─conv─▶ 8×8×16 ─dense─▶ mean 200, log-variance 200
        latents 200 ─dense─▶ 8×8×16 ─conv─▶ 8×8×96 ─double─▶ 16×16×48 ─double─▶ 32×32×24 ─conv─▶ 32×32×16
              ─depth to space 4─▶ image

    A block is x + conv(relu(conv(x))) (He et al. 2016, without normalisation: batches of one image must decode as
    batches of many). Nothing outside the blocks bends: image and latents are joined by a linear path, so that the model
    begins where principal components are. Halving is space-to-depth with a 1×1 convolution, doubling a 1×1 convolution
    with depth-to-space (Shi et al. 2016): no strided or dilated convolution, which XLA computes slowly on a CPU.
    """

    kind: Literal["conv_vae"] = "conv_vae"
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (24, 48, 96)
    residual_blocks: int = Field(1, ge=0, le=16)
    neck: int = Field(16, ge=1, le=4096)
    latent_size: int = Field(200, ge=1, le=65536)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.stem * 2 ** (len(self.widths) - 1)

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder."""
        import keras

        from kerasae.layers import DepthToSpace, SpaceToDepth

        def blocks(x, width, name):
            for index in range(self.residual_blocks):
                branch = conv(width, 3, f"{name}_{index}_first", "relu")(x)
                branch = conv(width, 3, f"{name}_{index}_second")(branch)
                x = keras.layers.Add(name=f"{name}_{index}_add")([x, branch])
            return x

        images = keras.Input(image_shape, name="images")
        x = conv(self.widths[0], 3, "stem_conv")(SpaceToDepth(self.stem, name="stem")(images))
        for index, width in enumerate(self.widths):
            if index:
                x = conv(width, 1, f"halve_{index}_conv")(SpaceToDepth(2, name=f"halve_{index}")(x))
            x = blocks(x, width, f"down_{index}")
        x = keras.layers.Flatten(name="flatten")(conv(self.neck, 1, "neck_conv")(x))
        posterior = [dense(self.latent_size, name)(x) for name in ("mean", "log_variance")]

        rows, columns = (side // self.stride for side in image_shape[:2])
        latents = keras.Input((self.latent_size,), name="latents")
        x = dense(rows * columns * self.neck, "unflatten")(latents)
        x = keras.layers.Reshape((rows, columns, self.neck), name="grid")(x)
        x = conv(self.widths[-1], 3, "neck_conv")(x)
        for index, width in reversed(list(enumerate(self.widths))):
            x = blocks(x, width, f"up_{index}")
            if index:
                x = conv(4 * self.widths[index - 1], 1, f"double_{index}_conv")(x)
                x = DepthToSpace(2, name=f"double_{index}")(x)
        x = conv(self.stem**2 * image_shape[-1], 3, "stem_conv", "sigmoid")(x)
        decoded = DepthToSpace(self.stem, name="image")(x)
        return keras.Model(images, posterior, name="encoder"), keras.Model(latents, decoded, name="decoder")


class _Codec(ModelSettings):
    """A codec trained for rate and distortion at once: transforms, and an entropy model of the rounded latents.

    ``transform``: ``residual``, the fast pair (a space-to-depth stem of ``stem`` pixels a side, one scale per entry of
    ``widths``, ``residual_blocks`` blocks each), or ``gdn``, the papers' 5×5 convolutions of stride 2 with GDN (one
    stage per entry of ``widths`` and one more). ``density``: of each channel's latents (of the hyper-latents, where
    there are any), a mixture of three logistics or the non-parametric density of Ballé et al. 2018.
    """

    has_entropy_model: ClassVar[bool] = True
    entropy: ClassVar[str]

    transform: Literal["residual", "gdn"] = "residual"
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (32, 64, 128)
    residual_blocks: int = Field(1, ge=0, le=16)
    latent_channels: int = Field(64, ge=1, le=4096)
    density: Literal["logistic_mixture", "factorized"] = "logistic_mixture"

    @property
    def latent_stride(self) -> int:
        """Pixels of a side per position of the latents."""
        if self.transform == "gdn":
            return 2 ** (len(self.widths) + 1)
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.latent_stride

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        from kerasae.models import learned_codec

        sizes = {"widths": self.widths, "regularizer": regularizer}
        if self.transform == "residual":
            sizes |= {"stem": self.stem, "residual_blocks": self.residual_blocks}
            analysis, synthesis = learned_codec.residual_analysis, learned_codec.residual_synthesis
        else:
            analysis, synthesis = learned_codec.gdn_analysis, learned_codec.gdn_synthesis
        encoder = analysis(image_shape, latent_channels=self.latent_channels, **sizes)
        decoder = synthesis(tuple(encoder.output_shape[1:]), colours=image_shape[-1], **sizes)
        names = ("hyper_width", "hyper_channels", "passes", "context_width")
        hyper = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return learned_codec.LearnedCodec(
            encoder,
            decoder,
            entropy=self.entropy,
            lambdas=objective.lambdas,
            distortion=objective.distortion,
            quantization=objective.quantization,
            density=self.density,
            seed=seed,
            regularizer=regularizer,
            takes_any_size=True,
            stride=self.latent_stride,
            name=self.kind,
            **hyper,
        )


class FactorizedPrior(_Codec):
    """Latents are independent, each channel under a density of its own.

    Ballé, Laparra, Simoncelli 2017, "End-to-end optimized image compression". With ``stem = 4``, ``widths = (32, 64,
    128)`` and ``latent_channels = 64`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×32 ─halve─▶ 16×16×64 ─halve─▶ 8×8×128 ─conv─▶ y 8×8×64 ─round─▶ ŷ
        ŷ 8×8×64 ─conv─▶ 8×8×128 ─double─▶ 16×16×64 ─double─▶ 32×32×32 ─conv, depth to space 4─▶ image
    """

    entropy: ClassVar[str] = "factorized"
    kind: Literal["factorized_prior"] = "factorized_prior"


class _Hyperprior(_Codec):
    """``hyper_channels`` of side information at a quarter of the latents' resolution tell how latents are distributed.

    They are made and read by layers of ``hyper_width`` channels.
    """

    hyper_width: Width = 64
    # The file format lays them out over 4×4 blocks of latent positions.
    hyper_channels: int = Field(32, ge=16, le=4096, multiple_of=16)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the hyper-latents."""
        return 4 * self.latent_stride


class ScaleHyperprior(_Hyperprior):
    """Latents are normal around 0, with scales that hyper-latents tell.

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior". With
    ``latent_channels = 64``, ``hyper_channels = 32`` on 128×128 images::

        image ─encoder─▶ y 8×8×64 ──────────────────── round ─▶ ŷ ─decoder─▶ image
                         └─hyper-analysis─▶ z 2×2×32 ─round─▶ ẑ ─hyper-synthesis─▶ scales 8×8×64 of ŷ
    """

    entropy: ClassVar[str] = "scale_hyperprior"
    kind: Literal["scale_hyperprior"] = "scale_hyperprior"


class MeanScaleHyperprior(_Hyperprior):
    """As ``scale_hyperprior``, with a mean for each latent too; what is coded is the distance from it.

    Minnen, Ballé, Toderici 2018, "Joint autoregressive and hierarchical priors for learned image compression", without
    the autoregressive part, which decodes pixel by pixel.
    """

    entropy: ClassVar[str] = "hyperprior"
    kind: Literal["mean_scale_hyperprior"] = "mean_scale_hyperprior"


class ContextHyperprior(_Hyperprior):
    """As ``mean_scale_hyperprior``, with latents coded in ``passes``: each pass knows those before.

    Every 2×2 square of positions and every quarter of the channels is spread over the passes, so that each has all
    positions (the quadtree of Li, Li, Lu 2023, "Neural video compression with diverse contexts"; with two passes the
    dual prior of Wang et al. 2023, "EVC: towards real-time neural image compression with mask decay"). Networks of
    ``context_width`` channels correct what the hyper-latents say.
    """

    entropy: ClassVar[str] = "context"
    kind: Literal["context_hyperprior"] = "context_hyperprior"
    passes: Literal[2, 4] = 4
    context_width: Width = 128
