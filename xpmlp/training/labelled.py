"""A config's values by the labels of classes, such as their weights, found for the classes' indices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from xpmlp.data.labels import label_places
from xpmlp.errors import ConfigError


def by_class(given: Mapping[str, Any], classes: npt.NDArray[Any], key: str, what: str) -> dict[int, Any]:
    """The values of a table by the index of the class that each names.

    Parameters
    ----------
    given : mapping
        Values by label.
    classes : (n_classes,)
    key : str
        The table's in the config.
    what : str
        How messages call a value.

    Raises
    ------
    ConfigError
        If a name is that of no class, or two are that of one.
    """
    labels, found, named = [str(label) for label in classes.tolist()], {}, dict[int, str]()
    for (text, value), place in zip(given.items(), label_places(given, classes), strict=True):
        if place is None:
            raise ConfigError(
                f"{key} has a {what} for {text!r}, which is no class of the data; they are "
                f"{', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
            )
        if place in named:
            raise ConfigError(
                f"{key} has two {what}s for the class {labels[place]}, as {named[place]!r} and {text!r}: give it one."
            )
        found[place], named[place] = value, text
    return found
