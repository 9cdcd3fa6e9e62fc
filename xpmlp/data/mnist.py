"""MNIST and Fashion-MNIST as data sets: found or downloaded, read, and split in the customary way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.format import Request
from xpmlp.data.image_sets import IMAGE_SETS, IdxFile, read_published
from xpmlp.data.locate import find, locate
from xpmlp.data.splits import hold_out_last
from xpmlp.errors import DataError

DEFAULT_VALIDATION_SIZE = 5_000


def load_image_set(name: str, request: Request) -> Dataset:
    """Find or download an image set and read it.  The pixels stay uint8.

    Raises
    ------
    DataError
        If the files are not found and cannot be downloaded, or a file found is not the published one.
    """
    image_set = IMAGE_SETS[name]
    folder = find(image_set, request.root)
    if folder is None:
        from xpmlp.data.download import fetch_image_set

        folder = fetch_image_set(image_set, quiet=request.quiet)
    train = _read_part(folder, image_set.train_images, image_set.train_labels)
    test = _read_part(folder, image_set.test_images, image_set.test_labels)
    validation = None
    if request.split != "test":
        size = DEFAULT_VALIDATION_SIZE if request.validation_size is None else request.validation_size
        train, validation = hold_out_last(train, size, image_set.name)
    return Dataset(
        name=image_set.name,
        train=train,
        validation=validation,
        test=test,
        classes=np.arange(10),
        preprocessing=Preprocessing(scale=1 / 255),
        image_shape=(28, 28),
        feature_names=None,
        hashes={file.name: file.sha256 for file in image_set.files},  # each was compared as it was read
    )


def _read_part(folder: Path, images: IdxFile, labels: IdxFile) -> Part:
    paths = [locate(folder, file) for file in (images, labels)]
    if paths[0] is None or paths[1] is None:
        raise DataError(f"{folder}: a file of the set disappeared while it was being read")
    pixels = read_published(paths[0], images)
    return Part(pixels.reshape(len(pixels), -1), read_published(paths[1], labels).astype(np.int64))
