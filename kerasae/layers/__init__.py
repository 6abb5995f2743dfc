"""Layers of every model: Keras only, unaware of recipes."""

from kerasae.layers.block_transform import BlockTransform as BlockTransform
from kerasae.layers.channel_scale import ChannelScale as ChannelScale
from kerasae.layers.depth_to_space import DepthToSpace as DepthToSpace
from kerasae.layers.gaussian_bottleneck import GaussianBottleneck as GaussianBottleneck
from kerasae.layers.gaussian_bottleneck import kl_divergence as kl_divergence
from kerasae.layers.gaussian_corruption import GaussianCorruption as GaussianCorruption
from kerasae.layers.gdn import GDN as GDN
from kerasae.layers.glorot_uniform import GlorotUniform as GlorotUniform
from kerasae.layers.identity_bottleneck import IdentityBottleneck as IdentityBottleneck
from kerasae.layers.level_shares import level_shares as level_shares
from kerasae.layers.lower_bound import lower_bound as lower_bound
from kerasae.layers.quality_gains import QualityGains as QualityGains
from kerasae.layers.random_flip import RandomFlip as RandomFlip
from kerasae.layers.random_shift import RandomShift as RandomShift
from kerasae.layers.random_stretch import RandomStretch as RandomStretch
from kerasae.layers.space_to_depth import SpaceToDepth as SpaceToDepth
from kerasae.layers.straight_through_round import straight_through_round as straight_through_round
from kerasae.layers.strided_conv2d import StridedConv2D as StridedConv2D
from kerasae.layers.strided_conv2d_transpose import StridedConv2DTranspose as StridedConv2DTranspose
from kerasae.layers.uniform_noise import UniformNoise as UniformNoise
