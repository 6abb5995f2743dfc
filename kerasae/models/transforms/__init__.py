"""Pairs of analysis and synthesis transforms of learned codecs, as Keras functional models."""

from kerasae.models.transforms.gdn import gdn_analysis as gdn_analysis
from kerasae.models.transforms.gdn import gdn_synthesis as gdn_synthesis
from kerasae.models.transforms.residual import residual_analysis as residual_analysis
from kerasae.models.transforms.residual import residual_synthesis as residual_synthesis
