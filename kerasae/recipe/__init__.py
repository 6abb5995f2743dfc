"""Recipes: TOML files that decide a run, as frozen and checked data. Loads neither Keras nor a backend."""

from kerasae.recipe.catalogue import find_recipe as find_recipe
from kerasae.recipe.catalogue import header as header
from kerasae.recipe.catalogue import shipped_recipes as shipped_recipes
from kerasae.recipe.data import FfhqData as FfhqData
from kerasae.recipe.data import FolderData as FolderData
from kerasae.recipe.data import PhotosData as PhotosData
from kerasae.recipe.data import TfdsData as TfdsData
from kerasae.recipe.fingerprint import fingerprint as fingerprint
from kerasae.recipe.load import load_recipe as load_recipe
from kerasae.recipe.load import read_toml as read_toml
from kerasae.recipe.load import recipe_from as recipe_from
from kerasae.recipe.model import KINDS as KINDS
from kerasae.recipe.model import ConvAutoencoder as ConvAutoencoder
from kerasae.recipe.model import ConvVae as ConvVae
from kerasae.recipe.model import MlpVae as MlpVae
from kerasae.recipe.noise_sweep import NoiseSweep as NoiseSweep
from kerasae.recipe.noise_sweep import is_noise_sweep as is_noise_sweep
from kerasae.recipe.noise_sweep import load_noise_sweep as load_noise_sweep
from kerasae.recipe.override import replace_data as replace_data
from kerasae.recipe.recipe import Recipe as Recipe
from kerasae.recipe.training import Noise as Noise
from kerasae.recipe.training import Objective as Objective
from kerasae.recipe.training import Regularizer as Regularizer
from kerasae.recipe.training import Training as Training
from kerasae.recipe.write import to_toml as to_toml
