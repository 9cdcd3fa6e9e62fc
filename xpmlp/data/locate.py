"""Where an image set's files are looked for on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from xpmlp._paths import given_path, os_errors_as
from xpmlp.data.image_sets import IdxFile, ImageSet
from xpmlp.errors import DataError

DEBIAN_FOLDER = Path("/usr/share/datasets")


def find(image_set: ImageSet, root: str | Path | None = None) -> Path | None:
    """The first folder of ``places`` that holds all four files, or None.

    Raises
    ------
    DataError
        If ``root`` is no folder, or a folder before that holds some of the four files only.
    """
    if root is not None:
        with os_errors_as(DataError, f"data.root = {str(root)!r} cannot be used"):
            is_folder = given_path(root).is_dir()
        if not is_folder:
            raise DataError(
                f"data.root = {str(root)!r} is not a folder; it should be the one that holds {image_set.file_names}, "
                "or be left out"
            )
    for folder in places(image_set, root):
        with os_errors_as(DataError, f"{folder} cannot be looked into"):
            missing = [file.name for file in image_set.files if locate(folder, file) is None]
        if not missing:
            return folder
        if len(missing) < len(image_set.files):
            raise DataError(
                f"{folder} holds {image_set.name} only in part: put {', '.join(f'{name}.gz' for name in missing)} "
                "there too"
            )
    cache = cache_folder(image_set.name)  # one that is incomplete is completed later, not complained about
    with os_errors_as(DataError, f"{cache} cannot be looked into"):
        return cache if all(locate(cache, file) for file in image_set.files) else None


def places(image_set: ImageSet, root: str | Path | None = None) -> Iterator[Path]:
    """The folders that a person may have put the files in, in the order in which they are looked at."""
    if root is not None:
        yield given_path(root)
    if variable := os.environ.get("XPMLP_DATA_DIR"):
        yield given_path(variable) / image_set.name
    yield DEBIAN_FOLDER / image_set.name


def locate(folder: Path, file: IdxFile) -> Path | None:
    """``file`` in ``folder``, decompressed (quicker to read) or gzipped, or None."""
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def cache_folder(name: str) -> Path:
    """Where downloads of the set ``name`` are kept."""
    import pooch  # imports requests, which is slow

    return given_path(pooch.os_cache("xpmlp")) / name


def by_hand(image_set: ImageSet) -> str:
    """What a person without a network can do, as the end of a sentence."""
    return (
        f"put {image_set.file_names} into a folder named {image_set.name} and set XPMLP_DATA_DIR to the folder "
        "that holds it"
    )
