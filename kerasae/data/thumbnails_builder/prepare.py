"""A folder of PNG files → TFDS's own files on disk."""

from pathlib import Path

from kerasae.data.prepared_tfds import tfds_folder
from kerasae.data.thumbnails_builder.thumbnails import Thumbnails
from kerasae.errors import DataError


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
