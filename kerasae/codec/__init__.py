"""Trained models as codecs: quantisation, frozen tables, entropy coding, files. Keras is loaded with a model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
