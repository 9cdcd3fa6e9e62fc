"""Conversion of a config's values by class label, such as class weights, to values by class index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from xpmlp.data.labels import label_places
from xpmlp.errors import ConfigError


def by_class(given: Mapping[Any, Any], classes: npt.NDArray[Any], key: str, what: str) -> dict[int, Any]:
    """Return the values of a table by the indices of the classes that its keys name.

    Parameters
    ----------
    given : mapping
        Values by label.
    classes : (n_classes,)
    key : str
        The table's key in the config.
    what : str
        Name of a value in messages.

    Raises
    ------
    ConfigError
        If a name matches no class, or two names match the same class.
    """
    labels, found, named = [str(label) for label in classes.tolist()], {}, dict[int, str]()
    texts = [str(label) for label in given]
    for text, value, place in zip(texts, given.values(), label_places(texts, classes), strict=True):
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
