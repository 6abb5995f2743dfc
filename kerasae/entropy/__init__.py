"""Probability models of rounded latents: trained in ``keras.ops``, frozen to tables from NumPy float64."""

from kerasae.entropy.bottlenecks import Bottleneck as Bottleneck
from kerasae.entropy.bottlenecks import FactorizedBottleneck as FactorizedBottleneck
from kerasae.entropy.bottlenecks import GaussianBottleneck as GaussianBottleneck
from kerasae.entropy.bottlenecks import IdentityBottleneck as IdentityBottleneck
from kerasae.entropy.bottlenecks import centres_and_scales as centres_and_scales
from kerasae.entropy.bottlenecks import kl_divergence as kl_divergence
from kerasae.entropy.bottlenecks import quantization_proxy as quantization_proxy
from kerasae.entropy.densities import Density as Density
from kerasae.entropy.densities import FactorizedDensity as FactorizedDensity
from kerasae.entropy.densities import GaussianDensity as GaussianDensity
from kerasae.entropy.densities import LogisticMixtureDensity as LogisticMixtureDensity
from kerasae.entropy.numerics import integer_probabilities as integer_probabilities
from kerasae.entropy.numerics import integer_support as integer_support
from kerasae.entropy.numerics import log1mexp as log1mexp
from kerasae.entropy.numerics import log_ndtr as log_ndtr
from kerasae.entropy.numerics import medians as medians
