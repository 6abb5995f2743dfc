"""kerasae: autoencoders and variational autoencoders as image autoencoders, measured honestly.

Importing this package loads neither Keras nor a backend; each public name is loaded on first use.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "Codec": "kerasae.codec",
    "KerasaeError": "kerasae.errors",
    "Recipe": "kerasae.recipes",
    "load_recipe": "kerasae.recipes",
    "build_model": "kerasae.models",
    "load_images": "kerasae.data",
    "train": "kerasae.training",
    "evaluate": "kerasae.evaluation",
    "load_run": "kerasae.training",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kerasae' has no attribute {name!r}; it has {', '.join(sorted(_PUBLIC))}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
