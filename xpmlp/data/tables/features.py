"""The features encoding a table's columns: numbers, each with its centre and scale, and category codes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from xpmlp.data.saved import Finite, Frozen
from xpmlp.data.tables.columns import MAX_COLUMNS, MAX_LEVELS, Column, Name
from xpmlp.data.tables.pairs import PairStatistic
from xpmlp.data.tables.statistics import Statistic

UNSEEN, MISSING_CODE, FIRST = 0, 1, 2
"""The codes of a category never seen, of a missing one, and of the first category."""

CLIP = 3.0
"""The bound of bent numbers, ``x / sqrt(1 + (x / 3)**2)`` between -3 and 3, as in RealMLP."""

MAX_WORDS = 64
"""Maximum number of words of a text column with a number of their own: those that tell most of the target, if given."""


class Feature(Frozen):
    """One of the numbers encoding a column: ``(raw - center) * scale``, bent if ``bent``.

    Attributes
    ----------
    name : str
    part : str
        The aspect of the column: "value", "missing", "days", "month sin", "word", ...
    center, scale : float
    bent : bool
    mean, std : float
        Moments on the training part, to tell whether later rows differ.
    """

    name: Name
    part: Annotated[str, Field(max_length=MAX_LEVELS)] = "value"
    center: Finite = 0.0
    scale: Finite = 1.0
    bent: bool = False
    mean: Finite = 0.0
    std: Finite = 0.0

    def apply(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Scale raw numbers (n,); NaN, a missing value, becomes the centre."""
        if not self.bent and self.scale == 1.0 and self.center == 0.0:
            return np.nan_to_num(raw, nan=0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = raw - self.center
            scaled *= self.scale
            np.clip(scaled, -1e8, 1e8, out=scaled)
        scaled[np.isnan(scaled)] = 0.0
        if self.bent:  # x / sqrt(1 + (x / 3)^2), with as few temporary arrays as possible
            root = scaled / CLIP
            root *= root
            root += 1.0
            scaled /= np.sqrt(root, out=root)
        return scaled


class EncodedColumn(Frozen):
    """The encoding of one column.

    Attributes
    ----------
    column : Column
    features : tuple of Feature
    levels : tuple of str
        The categories with codes of their own, from 2.
    rare : tuple of str
        The categories that share the last code.
    words : tuple of str
        The words of a text column with a number of their own.
    statistic : Statistic, optional
        The target statistic at the column's values; its numbers are the last features.
    """

    column: Column
    features: tuple[Feature, ...] = Field((), max_length=200)
    levels: tuple[Name, ...] = Field((), max_length=MAX_LEVELS)
    rare: tuple[Name, ...] = Field((), max_length=MAX_LEVELS)
    words: tuple[Name, ...] = Field((), max_length=MAX_WORDS)
    statistic: Statistic | None = None

    @property
    def has_codes(self) -> bool:
        """Whether the column is a category without an order."""
        return self.column.kind == "category" and not self.column.order

    @property
    def code_count(self) -> int:
        """The number of the column's codes, 0 and 1 included."""
        return FIRST + len(self.levels) + bool(self.rare)

    @property
    def own_features(self) -> tuple[Feature, ...]:
        """The features without those of its statistic."""
        return self.features[: len(self.features) - (self.statistic.width if self.statistic else 0)]


class Indicator(Frozen):
    """A number that is 1 where any of its columns, missing in the same rows in training, has no value; else 0."""

    feature: Feature
    columns: tuple[Name, ...] = Field(min_length=1, max_length=MAX_COLUMNS)


class EncodedPair(Frozen):
    """The statistic of a pair of columns, and its numbers."""

    statistic: PairStatistic
    features: tuple[Feature, ...] = Field(max_length=200)
