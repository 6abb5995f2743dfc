"""``python -m kerasae.data.thumbnails_builder FOLDER [TFDS_DATA_DIR]``."""

import argparse
import sys

from kerasae.data.thumbnails_builder import prepare_thumbnails
from kerasae.errors import KerasaeError


def main() -> int:
    """Prepare the data set and say where it is; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kerasae.data.thumbnails_builder", description=__doc__)
    parser.add_argument("folder", help="a folder of PNG files, at any depth")
    parser.add_argument("data_dir", nargs="?", help="where TFDS keeps data sets; default as TFDS has it")
    given = parser.parse_args()
    try:
        print(prepare_thumbnails(given.folder, data_dir=given.data_dir))
    except KerasaeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
