"""TensorFlow Datasets as a source of images."""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.data.cache import cached, file_states
from kerasae.data.images import Progress, Remarks, image_from_bytes
from kerasae.data.sources import image_set, sizes_of
from kerasae.data.splits import ImageSet, limit_indices
from kerasae.errors import DataError
from kerasae.recipes import TfdsData
from kerasae.runtime import load_tensorflow_quietly

_NAME = re.compile(r"(?P<name>[a-z0-9_]+)(/(?P<config>[\w.+-]+))?(:(?P<version>[\d.*]+))?", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def tfds_folder(data_dir: str | None) -> Path:
    """Return ``data_dir``, or TFDS's own default: ``TFDS_DATA_DIR``, or ``~/tensorflow_datasets``."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets").expanduser()


def find_prepared(name: str, folder: Path) -> Path | None:
    """Return the folder of the newest prepared version of ``NAME[/CONFIG][:VERSION]``, None where there is none.

    Raises ``DataError`` for a name that is none of TFDS's, and where several configurations are there, none named.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise DataError(
            f"{name!r} is no name of a TFDS data set; names look like lfw, mnist:3.0.1 or name/config:1.0.0"
        )
    found: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for info in sorted(folder.glob(f"{parts['name']}/**/dataset_info.json")):
        *config, version = info.parent.relative_to(folder / parts["name"]).parts or ("",)
        wanted = parts["config"] is None or "/".join(config) == parts["config"]
        if wanted and _VERSION.fullmatch(version) and fnmatch(version, parts["version"] or "*"):
            number = tuple(int(digits) for digits in version.split("."))
            found.setdefault("/".join(config), []).append((number, info.parent))
    if len(found) > 1:
        configs = ", ".join(f"tfds:{parts['name']}/{config}" for config in sorted(found) if config)
        raise DataError(f"{name!r} is prepared in several configurations; name one of them: {configs}")
    return max(next(iter(found.values())))[1] if found else None


_REPORT_EVERY = 256


def load_tfds(data: TfdsData, *, progress: Progress | None = None) -> ImageSet:
    """Return the images of all splits of a data set, from the cache after the first time.

    Images are named ``SPLIT/000000`` in the order in which TFDS stored them, and decoded and resized as files are.
    The network is used only with ``data.download``, TensorFlow only where there is no cache yet. Raises ``DataError``
    where the data set is not prepared, its name or feature unknown, or ``tensorflow-datasets`` not installed.
    """
    folder = tfds_folder(data.data_dir)
    prepared = find_prepared(data.name, folder)
    if prepared is None:
        prepared = _download(data, folder)
    files = sorted(path.relative_to(prepared).as_posix() for path in prepared.rglob("*") if path.is_file())
    shape = (data.image_size, data.image_size, data.channels) if sizes_of(data) else None
    settings = {
        "folder": str(prepared.resolve()),
        "feature": data.feature,
        "shape": shape or data.channels,
        "fit": data.fit,
        "limit": data.limit and [data.limit, data.split_seed],
    }
    remarks = Remarks()
    loaded = cached(
        "tfds",
        settings,
        source=file_states(prepared, files),
        shape=shape,
        decode=lambda skipped: _decode(prepared, data, progress, remarks),
        remarks=remarks.sentences,
    )
    if len(loaded.names) < 3:
        raise DataError(f"tfds:{data.name} has {len(loaded.names)} images; at least 3 are needed")
    return image_set(loaded, data, None, label=f"tfds:{data.name}", card="tfds")


def _decode(
    prepared: Path, data: TfdsData, progress: Progress | None, remarks: Remarks
) -> Iterator[tuple[str, np.ndarray]]:
    tfds = _tensorflow_datasets(data.name)
    builder = tfds.builder_from_directory(prepared)
    _require_images(tfds, builder, data)
    splits = {name: info.num_examples for name, info in sorted(builder.info.splits.items())}
    names = [f"{split}/{place:06d}" for split, count in splits.items() for place in range(count)]
    kept = {names[index] for index in limit_indices(names, None, limit=data.limit, seed=data.split_seed)}
    done = 0
    for split in splits:
        for place, content in enumerate(_encoded(tfds, builder, split, data.feature)):
            name = f"{split}/{place:06d}"
            if name not in kept:
                continue
            what = f"tfds:{data.name} {name}"
            yield (
                name,
                image_from_bytes(content, name=what, channels=data.channels, remarks=remarks, **sizes_of(data)),
            )
            done += 1
            if progress is not None and (done % _REPORT_EVERY == 0 or done == len(kept)):
                progress(done, len(kept))


def _encoded(tfds: Any, builder: Any, split: str, feature: str) -> Iterator[bytes]:
    """Yield the image files of a split as they were stored, so that Pillow decodes them like any others."""
    decoders = {feature: tfds.decode.SkipDecoding()}
    return (example[feature] for example in _examples(tfds, builder, split, {feature: True}, decoders=decoders))


def _examples(tfds: Any, builder: Any, split: str, features: dict, **decoders) -> Iterator[dict]:
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # One file after another: the order, and so the names, must not depend on how TensorFlow interleaves.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        decoders=tfds.decode.PartialDecoding(features, **decoders),
    )
    examples = dataset.as_numpy_iterator()
    while True:
        try:
            example = next(examples)
        except StopIteration:
            return
        # TensorFlow's own errors share no base that could be named without loading it.
        except Exception as error:
            raise DataError(
                f"the files in {builder.data_path} are damaged ({type(error).__name__}); remove the folder and prepare "
                "the data set anew"
            ) from None
        yield example


def tfds_values(data: TfdsData, names: Sequence[str], feature: str) -> tuple[str, ...]:
    """Return the value of a feature, such as ``label`` or ``attributes/Young``, of images called ``SPLIT/000000``.

    Classes are given by their names. Raises ``DataError`` where there is no such feature, or it is no single value.
    """
    tfds = _tensorflow_datasets(data.name)
    builder = tfds.builder_from_directory(find_prepared(data.name, tfds_folder(data.data_dir)))
    first, *rest = feature.split("/")
    kind = builder.info.features
    for part in (first, *rest):
        kind = dict(kind.items()).get(part) if hasattr(kind, "items") else None
    if kind is None or kind.shape != ():
        raise DataError(
            f"tfds:{data.name}: the feature {feature!r} {'is no single value' if kind else 'does not exist'}; there "
            f"are {', '.join(sorted(builder.info.features))}"
        )
    wanted = True
    for part in reversed(rest):
        wanted = {part: wanted}
    values: dict[str, str] = {}
    for split in builder.info.splits:
        for place, found in enumerate(_examples(tfds, builder, split, {first: wanted})):
            for part in (first, *rest):
                found = found[part]
            found = kind.int2str(int(found)) if hasattr(kind, "int2str") else found
            values[f"{split}/{place:06d}"] = found.decode() if isinstance(found, bytes) else str(found)
    return tuple(values[name.partition("/y")[0]] for name in names)


def _require_images(tfds: Any, builder: Any, data: TfdsData) -> None:
    features = dict(builder.info.features.items())
    images = [name for name, kind in features.items() if type(kind) is tfds.features.Image]
    if data.feature not in images:
        what = "is no image" if data.feature in features else "does not exist"
        raise DataError(
            f"tfds:{data.name}: the feature {data.feature!r} {what}; its images are: {', '.join(images) or 'none'}; "
            "choose one with --set data.feature=NAME"
        )


def _download(data: TfdsData, folder: Path) -> Path:
    """Return the folder of the data set after TFDS has downloaded and prepared it, if the recipe allows that."""
    if data.name.split(":")[0] == "thumbnails":
        raise DataError(
            f"tfds:{data.name} is not prepared in {folder}; make it of a folder of PNG files with: "
            f"python -m kerasae.data.thumbnails_builder FOLDER {folder}"
        )
    if not data.download:
        raise DataError(
            f"tfds:{data.name} is not prepared in {folder}; let kerasae download it with --set data.download=true, "
            f"prepare it with: tfds build {data.name} --data_dir {folder}, or name another folder with data.data_dir"
        )
    tfds = _tensorflow_datasets(data.name)
    try:
        builder = tfds.builder(data.name, data_dir=str(folder))
        builder.download_and_prepare()
    # TFDS runs code of thousands of data sets; whatever fails in it, the user needs to know which and why.
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"tfds:{data.name} could not be downloaded and prepared in {folder}: {first_line}; check the name and the "
            "network, or use images you have with --data folder:PATH"
        ) from None
    return Path(builder.data_path)


def _tensorflow_datasets(name: str) -> Any:
    load_tensorflow_quietly()
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"tfds:{name} needs tensorflow-datasets, which cannot be loaded ({error}); install it with: "
            "pip install tensorflow-datasets importlib_resources"
        ) from None
    return tfds
