"""kerasae: autoencoders and variational autoencoders as image compressors, measured honestly.

Importing this package loads neither Keras nor a backend; each public name is loaded on first use. Where Keras is
loaded already, its classes are registered, so that ``keras.saving.load_model`` knows them.
"""

import sys

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

if "keras" in sys.modules:
    import kerasae.metrics
    import kerasae.models.build
    import kerasae.models.learned_codec
    import kerasae.models.variational  # noqa: F401
