"""``Recipe`` → model; code that a recipe or a run names; and models saved by earlier versions."""

import contextlib
import inspect
import os
import sys
from importlib import import_module
from typing import Any

import keras
import numpy as np

from kerasae import recipes
from kerasae.errors import ModelError
from kerasae.layers import GlorotUniform
from kerasae.models.base import Autoencoder
from kerasae.recipes.section import KINDS, CodeModel, ModelSettings, model_settings, registered_code
from kerasae.runtime import load_tensorflow_quietly

# Set by --trust-code; handed on to the processes of a study.
TRUST = "KERASAE_TRUST_CODE"


def build_model(recipe: recipes.Recipe, *, image_shape: tuple[int, int, int] | None = None) -> Autoencoder:
    """Return the model of ``recipe``, its weights drawn from ``training.seed``, the same on every backend.

    ``image_shape`` (height, width, channels) is that of images which are not the recipe's square ones. Raises
    ``ModelError`` where the recipe names code that may not be imported, or that builds no model.
    """
    data, training = recipe.data, recipe.training
    shape = image_shape or (data.image_size, data.image_size, data.channels)
    settings = recipe.model
    if isinstance(settings, CodeModel):
        settings = _code_settings(settings)
    with _policy(training.precision):
        if isinstance(settings, ModelSettings):
            model = settings.build(
                shape, regularizer=_regularizer(recipe.regularizer), objective=recipe.objective, seed=training.seed
            )
            initialize(model, training.seed)
        else:
            model = _called(settings, recipe, shape)
    return model


def _regularizer(section: recipes.Regularizer) -> keras.regularizers.Regularizer | None:
    if section.l1 and section.l2:
        return keras.regularizers.L1L2(section.l1, section.l2)
    if section.l1:
        return keras.regularizers.L1(section.l1)
    return keras.regularizers.L2(section.l2) if section.l2 else None


def initialize(model: keras.Model, seed: int) -> None:
    """Draw every kernel of ``model`` anew, Glorot uniform (Glorot & Bengio 2010); biases stay 0.

    One seed for all of them, so that runs on two backends start from one point and differ by arithmetic only. Kernels
    are drawn in the order of ``trainable_variables``; what is not called a kernel, such as the matrices of a density,
    keeps the start its layer gave it.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x1417]))
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(GlorotUniform.draw(generator, variable.shape))


@contextlib.contextmanager
def _policy(precision: str | None):
    """Let layers made inside compute in ``precision``; None leaves Keras' own setting."""
    before = keras.config.dtype_policy()
    if precision:
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


# === Code of someone else's ===


def may_import(module: str) -> bool:
    """Return whether code of ``module`` may be imported: an installed package registered it, or it is trusted."""
    packages = {value.partition(":")[0].partition(".")[0] for value in registered_code().values()}
    return os.environ.get(TRUST) == "1" or module.partition(".")[0] in packages


def import_code(reference: str) -> Any:
    """Return what ``module:object`` names; raises ``ModelError`` where it may not be imported or is not there."""
    module, _, name = reference.partition(":")
    refuse_untrusted(reference)
    if os.environ.get(TRUST) == "1" and "" not in sys.path and os.getcwd() not in sys.path:
        # Whoever trusts code means that in the folder they are in, as ``python -m`` does.
        sys.path.insert(0, os.getcwd())
    try:
        found = import_module(module)
        return getattr(found, name) if name else found
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{reference!r} cannot be imported: {error}") from None


def refuse_untrusted(reference: str) -> None:
    """Raise ``ModelError`` where code that a recipe or a run names may not be imported."""
    if not may_import(reference.partition(":")[0]):
        raise ModelError(
            f"{reference!r} names code, which is imported only where an installed package registers it in the "
            "entry-point group kerasae.models, or with --trust-code (KERASAE_TRUST_CODE=1); nothing was imported"
        )


def code_reference(settings: CodeModel) -> str:
    """Return the ``module:object`` that a kind of code names, itself or through its entry point."""
    return registered_code().get(settings.kind, settings.kind)


def _code_settings(settings: CodeModel) -> Any:
    found = import_code(code_reference(settings))
    if isinstance(found, type) and issubclass(found, ModelSettings):
        return found.model_validate(settings.model_dump())
    if not callable(found):
        raise ModelError(f"{settings.kind!r} is a {type(found).__name__}; it must be a function that builds a model")
    return found


def _called(build, recipe: recipes.Recipe, image_shape) -> Autoencoder:
    """Return the model that a function builds; it is given those of our arguments that it has parameters for."""
    ours = {
        "image_shape": image_shape,
        "regularizer": _regularizer(recipe.regularizer),
        "seed": recipe.training.seed,
    }
    parameters = inspect.signature(build).parameters
    if ours["regularizer"] is not None and "regularizer" not in parameters:
        raise ModelError(f"{recipe.model.kind} takes no regularizer; remove [regularizer], or add it to the function")
    given = {key: value for key, value in recipe.model.model_dump().items() if key != "kind"}
    try:
        built = build(**{key: value for key, value in ours.items() if key in parameters}, **given)
    except TypeError as error:
        raise ModelError(f"{recipe.model.kind} does not take what [model] gives it, {given}: {error}") from None
    if isinstance(built, tuple) and len(built) == 2:
        built = Autoencoder(*built)
    if not isinstance(built, Autoencoder):
        raise ModelError(
            f"{recipe.model.kind} built a {type(built).__name__}; it must return a kerasae.Autoencoder, "
            "VariationalAutoencoder or LearnedCodec, or a pair of encoder and decoder"
        )
    return built


_KNOWN_PACKAGES = ("keras", "kerasae", "builtins")


def code_of(model: keras.Model) -> list[str]:
    """Return the modules, other than Keras' and ours, whose classes a saved ``model`` needs."""
    # Keras imports it to write a configuration down.
    load_tensorflow_quietly()
    found = set()
    stack = [model.get_config()]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            module = part.get("module")
            if "class_name" in part and isinstance(module, str) and module.partition(".")[0] not in _KNOWN_PACKAGES:
                found.add(module)
            stack += part.values()
        elif isinstance(part, list | tuple):
            stack += part
    return sorted(found)


def load_model(path, *, code: list[str] = ()) -> Autoencoder:
    """Return the model saved at ``path``; ``code`` names the modules that its classes are of.

    They are imported only where a class is not known yet and ``may_import`` allows it. Raises ``ModelError``.
    """
    import kerasae.models.learned_codec
    import kerasae.models.variational  # noqa: F401  both register their classes

    try:
        model = keras.saving.load_model(path, compile=False)
        if not isinstance(model, Autoencoder):
            raise ModelError(
                f"{path} holds a {type(model).__name__}, which is no model of kerasae's; bring the run's own back, or "
                "train again with --force"
            )
        return model
    except ModelError:
        raise
    # A damaged file makes Keras, zipfile and h5py let nearly every kind of exception out.
    except Exception as error:
        missing = [module for module in code if module not in _imported]
        if not missing:
            raise ModelError(
                f"{path} cannot be loaded: {(str(error) or type(error).__name__).splitlines()[0]}"
            ) from None
    for module in missing:
        import_code(module)
        _imported.add(module)
    return load_model(path, code=code)


_imported: set[str] = set()


# === Models saved before version 0.2 ===


def _restore(cls, config: dict) -> Autoencoder:
    """Return the model that a class of an earlier version described by its sizes."""
    config = dict(config)
    size, channels = config.pop("image_size"), config.pop("channels")
    section = recipes.Regularizer(l1=config.pop("l1"), l2=config.pop("l2"))
    seed, name = config.pop("seed"), config.pop("name")
    objective = recipes.Objective()
    if "levels" in config:
        # The lambdas themselves were the recipe's; coding needs their number and the ratio of the outer two.
        levels, span = config.pop("levels"), config.pop("span")
        lambdas = tuple(np.geomspace(1.0, max(span, 1.0) ** 2, levels).tolist()) if levels > 1 else (1.0,)
        objective = recipes.Objective(lambdas=lambdas, quantization=config.pop("quantization"))
    config.pop("dtype", None)
    settings = model_settings({"kind": cls.kind} | config)
    model = settings.build((size, size, channels), regularizer=_regularizer(section), objective=objective, seed=seed)
    model.name = name
    return model


for _kind, _target in KINDS.items():
    _name = _target.partition(":")[2]
    _members = {"kind": _kind, "from_config": classmethod(_restore), "get_config": lambda self: {}}
    _class = type(_name, (), _members)
    keras.saving.register_keras_serializable(package="kerasae", name=_name)(_class)
