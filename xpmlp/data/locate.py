"""Search of this machine's folders for an image set's files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from xpmlp._paths import given_path, os_errors_as
from xpmlp.data.image_sets import IdxFile, ImageSet
from xpmlp.errors import DataError

DEBIAN_FOLDER = Path("/usr/share/datasets")

_LAYOUTS = {
    "mnist": ("mnist", "MNIST", "MNIST/raw"),
    "fashion-mnist": ("fashion-mnist", "FashionMNIST", "FashionMNIST/raw"),
}
"""The subfolders that may hold a set: this package's layout, and torchvision's."""


def find(image_set: ImageSet, root: str | Path | None = None) -> Path | None:
    """Find the folder with all four files, or None: within ``root`` if given, else in ``places`` or the cache.

    Raises
    ------
    DataError
        If ``root`` or XPMLP_DATA_DIR is not a folder, ``root`` does not hold all four files, or an earlier folder holds
        only some of them.
    """
    if root is not None:
        return _find_below(image_set, root)
    for folder in places(image_set):
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


def places(image_set: ImageSet) -> Iterator[Path]:
    """Yield the folders in which a user may have put the files, in the order of the search.

    Raises
    ------
    DataError
        If XPMLP_DATA_DIR is not a folder.
    """
    if variable := os.environ.get("XPMLP_DATA_DIR"):
        folder = given_path(variable)
        with os_errors_as(DataError, f"XPMLP_DATA_DIR = {variable!r} cannot be used"):
            is_folder = folder.is_dir()
        if not is_folder:
            raise DataError(f"XPMLP_DATA_DIR = {variable!r} is not a folder: set it to one, or leave it unset")
        if any(folder.absolute().parts[-len(parts) :] == parts for parts in _layouts(image_set)):
            yield folder  # the set's own folder instead of its parent
        yield from (folder.joinpath(*parts) for parts in _layouts(image_set))
    yield DEBIAN_FOLDER / image_set.name


def locate(folder: Path, file: IdxFile) -> Path | None:
    """Find ``file`` in ``folder``, decompressed (preferred, being quicker to read) or gzipped; None if absent.

    Its name may differ from the published one in separators and case: ``train-images.idx3-ubyte``.

    Raises
    ------
    DataError
        If the folder cannot be read.
    """
    try:
        named = [path for path in folder.iterdir() if _plain(path.name) == file.name and path.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from None
    return min(named, key=lambda path: (path.suffix == ".gz", path.name != file.name, path.name), default=None)


def cache_folder(name: str) -> Path:
    """Return the cache folder for downloads of the set ``name``."""
    import pooch  # imports requests, which is slow

    return given_path(pooch.os_cache("xpmlp")) / name


def by_hand(image_set: ImageSet) -> str:
    """Return advice for a user without a network, as the end of a sentence."""
    return (
        f"put {image_set.file_names} into a folder named {image_set.name} and set XPMLP_DATA_DIR to the folder "
        "that holds it"
    )


def _find_below(image_set: ImageSet, given: str | Path) -> Path:
    """Return ``root`` or the set's folder within it, whichever holds most of the files; all four are needed."""
    root = given_path(given)
    with os_errors_as(DataError, f"data.root = {str(given)!r} cannot be used"):
        is_folder = root.is_dir()
    if not is_folder:
        raise DataError(
            f"data.root = {str(given)!r} is not a folder; it should be the one that holds {image_set.file_names}, or "
            "be left out"
        )
    folders = [root, root / "raw", *(root.joinpath(*parts) for parts in _layouts(image_set))]
    missing = {folder: [file.name for file in image_set.files if locate(folder, file) is None] for folder in folders}
    folder = min(folders, key=lambda one: len(missing[one]))
    if missing[folder]:
        raise DataError(
            f"data.root = {str(root)!r}: {folder} lacks {', '.join(missing[folder])}: put them there, gzipped or not, "
            f"or leave data.root out to have {image_set.name} looked for elsewhere and downloaded"
        )
    return folder


def _layouts(image_set: ImageSet) -> list[tuple[str, ...]]:
    return [tuple(layout.split("/")) for layout in _LAYOUTS[image_set.name]]


def _plain(name: str) -> str:
    """Normalise a file's name: lower case, hyphens as the only separators, no ``.gz``."""
    return re.sub(r"[._ ]", "-", name.lower().removesuffix(".gz"))
