"""Models: encoder → bottleneck → decoder, each a final class."""

from kerasae.models.build import MODELS as MODELS
from kerasae.models.build import build_model as build_model
from kerasae.models.compressor import Compressor as Compressor
from kerasae.models.conv_autoencoder import ConvAutoencoder as ConvAutoencoder
from kerasae.models.conv_vae import ConvVae as ConvVae
from kerasae.models.factorized_prior import FactorizedPrior as FactorizedPrior
from kerasae.models.initialise import initialise as initialise
from kerasae.models.learned_codec import LearnedCodec as LearnedCodec
from kerasae.models.mean_scale_hyperprior import MeanScaleHyperprior as MeanScaleHyperprior
from kerasae.models.mlp_vae import MlpVae as MlpVae
from kerasae.models.scale_hyperprior import ScaleHyperprior as ScaleHyperprior
