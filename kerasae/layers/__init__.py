"""Layers of every model: Keras only, unaware of recipes."""

from kerasae.layers.augmentation import GaussianCorruption as GaussianCorruption
from kerasae.layers.augmentation import RandomFlip as RandomFlip
from kerasae.layers.augmentation import RandomShift as RandomShift
from kerasae.layers.augmentation import RandomStretch as RandomStretch
from kerasae.layers.convolution import GlorotUniform as GlorotUniform
from kerasae.layers.convolution import StridedConv2D as StridedConv2D
from kerasae.layers.convolution import StridedConv2DTranspose as StridedConv2DTranspose
from kerasae.layers.gdn import GDN as GDN
from kerasae.layers.gdn import ChannelScale as ChannelScale
from kerasae.layers.gdn import lower_bound as lower_bound
from kerasae.layers.quantization import QualityGains as QualityGains
from kerasae.layers.quantization import UniformNoise as UniformNoise
from kerasae.layers.quantization import level_shares as level_shares
from kerasae.layers.quantization import straight_through_round as straight_through_round
from kerasae.layers.rearrange import BlockTransform as BlockTransform
from kerasae.layers.rearrange import DepthToSpace as DepthToSpace
from kerasae.layers.rearrange import SpaceToDepth as SpaceToDepth
