"""A folder of thumbnails as a TFDS data set called ``thumbnails``.

A data set of TFDS lives in a package of its own. Prepare it once, without a network, then use ``tfds:thumbnails``::

    python -m kerasae.data.thumbnails_builder FOLDER [TFDS_DATA_DIR]
"""

from kerasae.data.thumbnails_builder.prepare import prepare_thumbnails as prepare_thumbnails
from kerasae.data.thumbnails_builder.thumbnails import Thumbnails as Thumbnails
