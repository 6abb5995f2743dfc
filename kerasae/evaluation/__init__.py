"""Evaluation: runs become scores. What compares runs that were scored needs no Keras; what scores loads it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
