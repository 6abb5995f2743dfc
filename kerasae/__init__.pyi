from . import entropy as entropy
from . import layers as layers
from . import metrics as metrics
from . import models as models
from .api import audit as audit
from .api import evaluate as evaluate
from .api import report as report
from .api import train as train
from .codec import Codec as Codec
from .data import load_images as load_images
from .errors import KerasaeError as KerasaeError
from .models import Autoencoder as Autoencoder
from .models import LearnedCodec as LearnedCodec
from .models import VariationalAutoencoder as VariationalAutoencoder
from .models import build_model as build_model
from .recipes import Recipe as Recipe
from .recipes import load_recipe as load_recipe
from .training import Run as Run
from .training import load_run as load_run

__version__: str
