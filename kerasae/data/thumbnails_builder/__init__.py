"""The TFDS builder of ``thumbnails``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

# A builder is a class of TFDS's, so the module cannot be had without it; nothing else in kerasae loads this module.
import tensorflow_datasets as tfds  # noqa: TID253

from kerasae.data.tfds import tfds_folder
from kerasae.errors import DataError


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


def prepare_thumbnails(folder: str | Path, *, data_dir: str | Path | None = None) -> Path:
    """Write the PNG files of a folder tree as the TFDS data set ``thumbnails``, and return where it is.

    Nothing is downloaded. ``data_dir`` is where TFDS keeps data sets (default: as TFDS has it); one already there is
    left as it is. Raises ``DataError`` where the folder is missing or holds no PNG file.
    """
    import tensorflow_datasets as tfds

    folder = Path(folder)
    if not any(folder.rglob("*.png")):
        what = "has no PNG file in it" if folder.is_dir() else "does not exist"
        raise DataError(f"the folder of thumbnails {folder} {what}; name a folder of .png files")
    builder = Thumbnails(data_dir=str(tfds_folder(None if data_dir is None else str(data_dir))))
    config = tfds.download.DownloadConfig(manual_dir=str(folder), try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return Path(builder.data_path)
