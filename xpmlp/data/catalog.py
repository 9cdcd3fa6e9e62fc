"""Catalog of the data sets: their names, their location on this machine, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from xpmlp.data.formats import formats
from xpmlp.data.image_sets import IMAGE_SETS, ImageSet, check_published
from xpmlp.data.locate import by_hand, find, locate
from xpmlp.data.messages import did_you_mean, listed
from xpmlp.errors import DataError


class SetRow(NamedTuple):
    """One row of ``xpmlp data list``.

    Attributes
    ----------
    name : str
    description : str
        One line about the set.
    where : str
        The set's location; or "not here", and how to get it.
    """

    name: str
    description: str
    where: str


def list_sets() -> list[SetRow]:
    """List every data set that ``load`` knows; files are located, not read.

    Examples
    --------
    >>> [row.name for row in list_sets()]
    ['mnist', 'fashion-mnist', 'synth', 'digits', 'csv', 'npz', 'table']
    """
    return [
        *(_image_set_row(image_set) for image_set in IMAGE_SETS.values()),
        *(SetRow(name, record.sentence, record.where) for name, record in formats.items() if record.where),
    ]


def fetch(name: str, quiet: bool = False) -> Path:
    """Download a data set into the user's cache, unless it is already on this machine, and verify it.

    Parameters
    ----------
    name : str
        ``mnist`` or ``fashion-mnist``.
    quiet : bool
        Whether to draw no progress bars (on standard error).

    Returns
    -------
    Path
        The folder that holds its files.

    Raises
    ------
    DataError
        If ``name`` is not a downloadable set, the set is unavailable, or a file here is not the published one.

    Examples
    --------
    >>> fetch("mnist")  # doctest: +SKIP
    PosixPath('/home/me/.cache/xpmlp/mnist')
    """
    if name not in IMAGE_SETS:
        if name in (row.name for row in list_sets()):
            raise DataError(f"{name} needs no download; those that do are {listed(list(IMAGE_SETS))}")
        raise DataError(f"there is no data set {name!r} to download{did_you_mean(name, list(IMAGE_SETS))}")
    image_set = IMAGE_SETS[name]
    folder = find(image_set)
    if folder is None:
        from xpmlp.data.download import fetch_image_set

        return fetch_image_set(image_set, quiet=quiet)
    for file in image_set.files:
        check_published(locate(folder, file) or folder / file.name, file)
    return folder


def _image_set_row(image_set: ImageSet) -> SetRow:
    try:
        folder = find(image_set)
    except DataError as error:  # a folder with some of the files
        return SetRow(image_set.name, image_set.title, str(error))
    where = str(folder) if folder else f"not here: xpmlp data fetch {image_set.name}, or {by_hand(image_set)}"
    return SetRow(image_set.name, image_set.title, where)
