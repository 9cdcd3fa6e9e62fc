"""The features that a table's columns become: numbers, each with its centre and scale, and codes of categories."""

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
"""The codes of a category never seen, of a missing one, and of the first one."""

CLIP = 3.0
"""Scaled numbers are bent to between -3 and 3: ``x / sqrt(1 + (x / 3)**2)``, as RealMLP does."""

MAX_WORDS = 64
"""The words of a text column that have a number of their own: those that tell most of the target, if there is one."""


class Feature(Frozen):
    """One of the numbers that a column becomes: ``(raw - center) * scale``, bent where ``bent`` says so.

    Attributes
    ----------
    name : str
    part : str
        What of the column it is told by: "value", "missing", "days", "month sin", "word", ...
    center, scale : float
    bent : bool
    mean, std : float
        Of the training part, by which one can tell whether later rows differ.
    """

    name: Name
    part: Annotated[str, Field(max_length=MAX_LEVELS)] = "value"
    center: Finite = 0.0
    scale: Finite = 1.0
    bent: bool = False
    mean: Finite = 0.0
    std: Finite = 0.0

    def apply(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Scale raw numbers (n,), of which NaN are gaps and become the centre."""
        if not self.bent and self.scale == 1.0 and self.center == 0.0:
            return np.nan_to_num(raw, nan=0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = raw - self.center
            scaled *= self.scale
            np.clip(scaled, -1e8, 1e8, out=scaled)
        scaled[np.isnan(scaled)] = 0.0
        if self.bent:  # x / sqrt(1 + (x / 3)^2), in as few arrays as can be
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
        The categories with a code of their own, from 2.
    rare : tuple of str
        Those that share the last code.
    words : tuple of str
        Of text, the words with a number of their own.
    statistic : Statistic, optional
        The targets at the column's values; its numbers are the last of the features.
    """

    column: Column
    features: tuple[Feature, ...] = Field((), max_length=200)
    levels: tuple[Name, ...] = Field((), max_length=MAX_LEVELS)
    rare: tuple[Name, ...] = Field((), max_length=MAX_LEVELS)
    words: tuple[Name, ...] = Field((), max_length=MAX_WORDS)
    statistic: Statistic | None = None

    @property
    def has_codes(self) -> bool:
        """Whether it is a category without an order."""
        return self.column.kind == "category" and not self.column.order

    @property
    def code_count(self) -> int:
        """The number of its codes, 0 and 1 included."""
        return FIRST + len(self.levels) + bool(self.rare)

    @property
    def own_features(self) -> tuple[Feature, ...]:
        """The features without those of its statistic."""
        return self.features[: len(self.features) - (self.statistic.width if self.statistic else 0)]


class Indicator(Frozen):
    """A number that is 1 where one of some columns, whose gaps came together in training, has a gap; else 0."""

    feature: Feature
    columns: tuple[Name, ...] = Field(min_length=1, max_length=MAX_COLUMNS)


class EncodedPair(Frozen):
    """The statistic of a pair of columns, and its numbers."""

    statistic: PairStatistic
    features: tuple[Feature, ...] = Field(max_length=200)
