"""The TFDS builder of ``thumbnails``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

# A builder is a class of TFDS's, so the module cannot be had without it; nothing else in kerasae loads this module.
import tensorflow_datasets as tfds  # noqa: TID253


class _LocalInfo(tfds.core.DatasetInfo):
    """Data set information that is not looked for on the network."""

    def initialize_from_bucket(self) -> None:
        """Do nothing: TFDS would ask its public storage for a data set that only this machine has."""


class Thumbnails(tfds.core.GeneratorBasedBuilder):
    """The PNG files of the manual folder and its subfolders, in one split, ``train``.

    Features: ``image``, ``(height, width, 3)`` uint8 as TFDS decodes it, though gray files are stored as they are;
    ``file``, the path relative to the folder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The manual folder holds the thumbnails as .png files, at any depth."

    def _info(self) -> tfds.core.DatasetInfo:
        return _LocalInfo(
            builder=self,
            description="Thumbnails of a folder on this machine.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "file": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(Path(dl_manager.manual_dir))}

    def _generate_examples(self, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
        for path in sorted(folder.rglob("*.png")):
            name = path.relative_to(folder).as_posix()
            yield name, {"image": str(path), "file": name}
