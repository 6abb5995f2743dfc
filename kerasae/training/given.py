"""Images, models and changes of recipes that are given in Python → what a run is trained on and recorded by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasae.data import ImageSet
from kerasae.errors import DataError, KerasaeError
from kerasae.recipes import Recipe, load_recipe, recipe_from

if TYPE_CHECKING:
    from kerasae.models import Autoencoder


def image_set(images: Any, validation: Any, test: Any, groups: Sequence | None) -> ImageSet:
    """Return the image set of an array or data set, with the splits that were given; see ``kerasae.train``."""
    from kerasae.data import ImageSet

    if isinstance(images, ImageSet):
        return images
    if validation is None and test is None:
        return ImageSet.from_array(_array(images, "images"), groups=groups)
    if groups is not None:
        raise DataError("groups decide who is held out; with validation_images or test_images that is decided already")
    named = {"train": images, "validation": validation, "test": test}
    arrays = {split: _array(part, split) for split, part in named.items() if part is not None}
    if "validation" not in arrays:
        raise DataError("test_images arrived without validation_images, by which the best epoch is chosen; give both")
    if empty := [split for split, part in arrays.items() if not len(part)]:
        raise DataError(f"no images arrived for {' and '.join(empty)}; give some, or leave the argument out")
    shapes = {split: part.shape[1:] for split, part in arrays.items()}
    kinds = {split: part.dtype for split, part in arrays.items()}
    if len({*shapes.values()}) > 1 or len({*kinds.values()}) > 1:
        raise DataError(f"images of train, validation and test differ in shape or type: {shapes}, {kinds}")
    starts = np.cumsum([0, *(len(part) for part in arrays.values())])
    splits = {split: np.arange(*starts[place : place + 2]) for place, split in enumerate(arrays)}
    return ImageSet.from_array(np.concatenate(list(arrays.values())), splits=splits)


def _array(images: Any, what: str) -> np.ndarray:
    """Return an array of what may also be a data set that yields batches of images."""
    if isinstance(images, np.ndarray) or hasattr(images, "__array__"):
        return np.asarray(images)
    if not isinstance(images, Iterable) and not hasattr(images, "__getitem__"):
        raise DataError(f"{what}: a {type(images).__name__} arrived; give an array, or a data set of batches of images")
    batches = []
    # A PyDataset has a length and no end of its own.
    source = (images[place] for place in range(len(images))) if hasattr(images, "num_batches") else images
    for batch in source:
        batch = batch[0] if isinstance(batch, tuple | list) else batch
        batches.append(np.asarray(batch))
    if not batches:
        raise DataError(f"{what}: the data set yields no batches")
    return np.concatenate(batches)


def changed_recipe(what, given, data, training: dict, noise, set: Sequence[str], name) -> Recipe:
    """Return the recipe that ``what`` names or is, with the changes asked for."""
    changes = [f"training.{key}={json.dumps(value)}" for key, value in training.items()]
    if noise is not None:
        changes.append(f"noise.sigma={noise}")
    if isinstance(what, str | Path):
        recipe = load_recipe(what, data=data, set=[*changes, *set])
    elif isinstance(what, Recipe):
        from kerasae.recipes.load import replace_data, set_key

        plain = what.as_dict()
        plain = plain if data is None else replace_data(plain, data)
        for change in [*changes, *set]:
            plain = set_key(plain, change)
        recipe = recipe_from(plain, name=what.name, origin=f"recipe {what.name}")
    else:
        raise KerasaeError(
            f"kerasae.train takes a recipe (its name, its path, a Recipe) or a kerasae.Autoencoder; got a "
            f"{type(what).__name__}. Two keras.Model make one: kerasae.Autoencoder(encoder, decoder)"
        )
    plain = recipe.as_dict()
    if given is not None:
        plain["data"] = _array_section(given, plain["data"])
    return recipe_from(plain | {"name": name or recipe.name}, name=recipe.name, origin=f"recipe {recipe.name}")


def recipe_of_model(model: Autoencoder, given, data, training: dict, noise, set: Sequence[str], name) -> Recipe:
    """Return the recipe by which a model of one's own is trained and recorded."""
    from kerasae.recipes.load import replace_data, set_key

    optimizer = getattr(model, "optimizer", None) if model.compiled else None
    if optimizer is not None:
        training = {"learning_rate": float(np.asarray(optimizer.learning_rate))} | training
    plain: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9_.-]+", "_", name or re.sub(r"_\d+$", "", model.name)).lstrip("_.-") or "model",
        "data": _array_section(given, {}) if given is not None else {},
        "model": {
            "kind": "given",
            "network": type(model).__name__,
            "digest": _digest(model, optimizer),
            "variational": model.is_variational,
            "entropy_model": model.has_entropy_model,
        },
        "training": training,
        "noise": {"sigma": float(noise or 0.0)},
    }
    if data is not None:
        plain = replace_data(plain, data)
        height, _, channels = model.image_shape
        plain["data"] |= {"channels": channels} | ({"image_size": height} if height else {})
    for change in set:
        plain = set_key(plain, change)
    return recipe_from(plain, name=plain["name"], origin=f"kerasae.train({type(model).__name__})")


def _array_section(images: ImageSet, old: dict[str, Any]) -> dict[str, Any]:
    height, width, channels = images.images.shape[1:]
    kept = {key: old[key] for key in ("split", "split_seed") if key in old}
    return kept | {"source": "array", "height": height, "width": width, "channels": channels}


def _digest(model: Autoencoder, optimizer) -> str:
    """Return what stands for a model in the name of its run: its architecture, its training, and a start it had.

    Weights that were never trained are left out: a script that makes its networks anew then finds the run again.
    """
    import keras

    from kerasae.runtime import load_tensorflow_quietly

    load_tensorflow_quietly()
    # Whether any size goes is found out when it is asked for.
    config = {key: value for key, value in model.get_config().items() if key not in ("takes_any_size", "stride")}
    parts = [_without_names(config), model.objective_in_words()]
    hasher = hashlib.sha256()
    if optimizer is not None:
        parts.append(_without_names(keras.optimizers.serialize(optimizer)))
        if int(np.asarray(optimizer.iterations)):
            for weights in model.get_weights():
                hasher.update(np.ascontiguousarray(weights))
    hasher.update(json.dumps(parts, sort_keys=True, default=str).encode())
    return hasher.hexdigest()[:12]


def _without_names(config: Any) -> Any:
    """Return a configuration without what depends on how many layers the process has made before."""
    text = json.dumps(config, sort_keys=True, default=str)
    return re.sub(r"(?<=[A-Za-z])_\d+(?=\")", "", text)
