"""Models: encoder → bottleneck → decoder, each a final class."""

from kerasae.models.autoencoder import ConvAutoencoder as ConvAutoencoder
from kerasae.models.base import Autoencoder as Autoencoder
from kerasae.models.base import initialize as initialize
from kerasae.models.build import MODELS as MODELS
from kerasae.models.build import build_model as build_model
from kerasae.models.factorized import FactorizedPrior as FactorizedPrior
from kerasae.models.factorized import LearnedCodec as LearnedCodec
from kerasae.models.hyperprior import MeanScaleHyperprior as MeanScaleHyperprior
from kerasae.models.hyperprior import ScaleHyperprior as ScaleHyperprior
from kerasae.models.vae import ConvVae as ConvVae
from kerasae.models.vae import MlpVae as MlpVae
