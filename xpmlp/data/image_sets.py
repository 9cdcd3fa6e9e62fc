"""The published image sets: their files, contents and mirrors.

A file is identified by the SHA-256 of its decompressed content, so any gzip of the right bytes is accepted and any
wrong byte is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xpmlp.data.idx import opened, read_idx_and_hash
from xpmlp.errors import DataError

_CHUNK = 1 << 20


class IdxFile(NamedTuple):
    """One file of a set: its name without ``.gz``, and the size and SHA-256 of its decompressed content."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ImageSet:
    """A set of 28 x 28 grey images in ten classes, kept in four IDX files."""

    name: str
    title: str
    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile
    mirrors: tuple[str, ...]

    @property
    def files(self) -> tuple[IdxFile, ...]:
        """The four files."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)

    @property
    def file_names(self) -> str:
        """The four names, for messages."""
        return ", ".join(f"{file.name}.gz" for file in self.files)


def _image_set(name: str, title: str, hashes: tuple[str, str, str, str], mirrors: tuple[str, ...]) -> ImageSet:
    pixels = 28 * 28
    return ImageSet(
        name,
        title,
        IdxFile("train-images-idx3-ubyte", 16 + 60_000 * pixels, hashes[0]),
        IdxFile("train-labels-idx1-ubyte", 8 + 60_000, hashes[1]),
        IdxFile("t10k-images-idx3-ubyte", 16 + 10_000 * pixels, hashes[2]),
        IdxFile("t10k-labels-idx1-ubyte", 8 + 10_000, hashes[3]),
        mirrors,
    )


IMAGE_SETS = {
    "mnist": _image_set(
        "mnist",
        "handwritten digits, 60,000 + 10,000 images of 28 x 28 (LeCun, Cortes, Burges)",
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": _image_set(
        "fashion-mnist",
        "articles of clothing, 60,000 + 10,000 images of 28 x 28 (Xiao, Rasul, Vollgraf)",
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        (
            "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
    ),
}


def check_published(path: Path, file: IdxFile) -> None:
    """Check that ``path`` has the content of the published ``file``, without parsing it.

    Raises
    ------
    DataError
        If the content differs or cannot be read.  At most one byte beyond the published size is decompressed.
    """
    digest, left = hashlib.sha256(), file.size + 1
    with opened(path) as (content, _):
        while left and (piece := content.read(min(_CHUNK, left))):
            digest.update(piece)
            left -= len(piece)
    _compare(path, file, digest.hexdigest())


def read_published(path: Path, file: IdxFile) -> NDArray[np.uint8]:
    """Read the array in ``path``, which must hold exactly the bytes of the published ``file``.

    Raises
    ------
    DataError
        If it does not.
    """
    array, sha256 = read_idx_and_hash(path, max_bytes=file.size)
    _compare(path, file, sha256)
    return array


def _compare(path: Path, file: IdxFile, sha256: str) -> None:
    if sha256 != file.sha256:
        raise DataError(
            f"{path}: not the published {file.name}: the SHA-256 of its decompressed content begins "
            f"{sha256[:12]} and should begin {file.sha256[:12]}; delete it and get it again"
        )
