"""Pairs of analysis and synthesis transforms of learned codecs, as Keras functional models."""

from kerasae.models.transforms.gdn import gdn_analysis as gdn_analysis
from kerasae.models.transforms.gdn import gdn_synthesis as gdn_synthesis
from kerasae.models.transforms.hyper import HYPER_STRIDE as HYPER_STRIDE
from kerasae.models.transforms.hyper import HyperAnalysis as HyperAnalysis
from kerasae.models.transforms.hyper import HyperSynthesis as HyperSynthesis
from kerasae.models.transforms.residual import residual_analysis as residual_analysis
from kerasae.models.transforms.residual import residual_synthesis as residual_synthesis
