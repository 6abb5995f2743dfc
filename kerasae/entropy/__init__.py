"""Probability models of rounded latents: trained in ``keras.ops``, frozen to tables from NumPy float64."""

from kerasae.entropy.density import Density as Density
from kerasae.entropy.factorized_bottleneck import FactorizedBottleneck as FactorizedBottleneck
from kerasae.entropy.factorized_bottleneck import centres_and_scales as centres_and_scales
from kerasae.entropy.factorized_density import FactorizedDensity as FactorizedDensity
from kerasae.entropy.gaussian_density import GaussianDensity as GaussianDensity
from kerasae.entropy.log1mexp import log1mexp as log1mexp
from kerasae.entropy.log_ndtr import log_ndtr as log_ndtr
from kerasae.entropy.logistic_mixture_density import LogisticMixtureDensity as LogisticMixtureDensity
from kerasae.entropy.medians import medians as medians
from kerasae.entropy.probabilities import integer_probabilities as integer_probabilities
from kerasae.entropy.relaxed import relaxed as relaxed
from kerasae.entropy.support import integer_support as integer_support
