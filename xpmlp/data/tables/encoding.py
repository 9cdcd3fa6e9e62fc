"""Tables as two arrays, numbers and codes of categories, by an encoding that was fitted on a training part.

Numbers are formed in float64 and stored as float32.  Of a category the code is 0 where it was never seen, 1 where it is
missing, and from 2 on its own, the commonest first; the rare ones have the last one together.  The encoding is JSON.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.saved import Finite, Frozen, Saved
from xpmlp.data.tables.cells import SECONDS_PER_DAY, as_dates, as_texts, distinct_texts, words_of
from xpmlp.data.tables.columns import MAX_COLUMNS, MAX_LEVELS, Column, Name, Schema
from xpmlp.data.tables.frames import as_frame
from xpmlp.data.tables.inference import RARE, read_cells
from xpmlp.data.tables.pairs import MOST_PAIRS, PairStatistic, Source, candidate, find_pairs
from xpmlp.data.tables.statistics import (
    MOST_NUMBERS,
    Found,
    Statistic,
    TrainingTargets,
    of_category,
    of_number,
    of_text,
    telling_words,
)
from xpmlp.errors import DataError

UNSEEN, MISSING_CODE, FIRST = 0, 1, 2
"""The codes of a category never seen, of a missing one, and of the first one."""

CLIP = 3.0
"""Scaled numbers are bent to between -3 and 3: ``x / sqrt(1 + (x / 3)**2)``, as RealMLP does."""

MAX_WORDS = 64
"""The words of a text column that have a number of their own: those that tell most of the target, if there is one."""

COMMON_WORDS = 24
"""Those without a target: the commonest ones."""

MAX_BUCKETS = 8
"""The numbers among which all other words of a text column are hashed."""

BLOCK = 65_536
"""Rows that are encoded at a time: their values fit the cache, and memory is bounded."""

FEWEST_ROWS = 50
"""Training rows from which on there are statistics of the targets."""

TARGET = "target"
"""The part of a column by which its statistic's features are told from others: "target 1", "target 2", ..."""

MIN_ROWS_MOVED = 100
"""Rows from which on a column's distribution may be said to have moved."""

CYCLES = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
"""The parts of a date that come round again, with the length of their cycles."""


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


class Indicator(Frozen):
    """A number that is 1 where one of some columns, whose gaps came together in training, has a gap; else 0."""

    feature: Feature
    columns: tuple[Name, ...] = Field(min_length=1, max_length=MAX_COLUMNS)


class EncodedPair(Frozen):
    """The statistic of a pair of columns, and its numbers."""

    statistic: PairStatistic
    features: tuple[Feature, ...] = Field(max_length=200)


class Encoded(NamedTuple):
    """A table as arrays.

    Attributes
    ----------
    numbers : (n, n_numbers) float32
    codes : (n, n_codes) int32
    unseen : dict
        For each column of categories how many rows have one that was never seen, if there are any.
    unreadable : dict
        For each column how many cells were of no use for its kind and became gaps.
    moments : (3, n_numbers) float64
        Rows, sums and sums of squares of the numbers, which may be added up over parts of a table.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    unseen: dict[str, int]
    unreadable: dict[str, int]
    moments: npt.NDArray[np.float64]


class TableEncoding(Saved):
    """How a table's columns become numbers and codes.

    Attributes
    ----------
    format : str
    table_schema : Schema
        Of all columns, those that are left out, too.
    columns : tuple of EncodedColumn
    indicators : tuple of Indicator
    pairs : tuple of EncodedPair
    """

    called = "an encoding"

    format: Literal["xpmlp table 1"]
    table_schema: Schema
    columns: tuple[EncodedColumn, ...] = Field(max_length=MAX_COLUMNS)
    indicators: tuple[Indicator, ...] = Field((), max_length=MAX_COLUMNS)
    pairs: tuple[EncodedPair, ...] = Field((), max_length=MOST_PAIRS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse statistics that do not fit their columns: they are looked up by place."""
        counts = {one.column.name: one.code_count if one.has_codes else 0 for one in self.columns}
        told: list[tuple[str, Any]] = [(one.column.name, one.statistic) for one in self.columns if one.statistic]
        told += [(s.column, s) for pair in self.pairs for s in (pair.statistic.first, pair.statistic.second)]
        for name, statistic in told:
            if name not in counts or len(statistic.means) != (counts[name] or len(statistic.means)):
                raise ValueError(f"a statistic that does not fit column {quoted(name)}")
        return self

    @property
    def number_names(self) -> tuple[str, ...]:
        """The name of each number, in the order of `Encoded.numbers`."""
        return tuple(feature.name for feature in self._features)

    @property
    def code_names(self) -> tuple[str, ...]:
        """The name of each column of categories, in the order of `Encoded.codes`."""
        return tuple(one.column.name for one in self.columns if one.has_codes)

    @property
    def code_counts(self) -> tuple[int, ...]:
        """The number of codes of each column of categories, 0 and 1 included."""
        return tuple(one.code_count for one in self.columns if one.has_codes)

    @property
    def _features(self) -> list[Feature]:
        return [feature for _, feature in self.named_features()]

    def encode(self, frame: Any, *, allow_missing: bool = False, what: str = "the table") -> Encoded:
        """Encode a table, whose columns are matched by name, in any order; others are left out.

        Parameters
        ----------
        frame : data frame
        allow_missing : bool
            Take a column that is missing for gaps.
        what : str
            How messages call the table.

        Raises
        ------
        DataError
            If a column is missing, or more than half of its values are of another kind than in training.
        """
        data = as_frame(frame, what).data
        there = set(data.columns)
        absent = [one.column.name for one in self.columns if one.column.name not in there]
        if absent and not allow_missing:
            known = set(self.table_schema.names)
            others = [name for name in data.columns if name not in known]
            raise DataError(
                f"{what}: lacks {listed(absent)}, which the model was trained on"
                f"{did_you_mean(absent[0], others or data.columns)}"
            )
        if absent:
            data = data.with_columns([pl.lit(None).alias(name) for name in absent])
        return self._encode(data, what)

    def _encode(self, data: pl.DataFrame, what: str) -> Encoded:
        features = self._features
        numbers = np.empty((data.height, len(features)), dtype=np.float32)
        codes = np.empty((data.height, len(self.code_counts)), dtype=np.int32)
        unreadable = dict.fromkeys((one.column.name for one in self.columns), 0)
        present, moments = dict(unreadable), np.zeros((3, len(features)))
        for start in range(0, data.height, BLOCK):
            rows = slice(start, min(start + BLOCK, data.height))
            block, place, code_place, gaps, sources = data[rows], 0, 0, {}, {}
            for one in self.columns:
                name = one.column.name
                read = read_raw(one, block[name], self.table_schema.missing)
                unreadable[name] += read.unreadable
                present[name] += len(read.gap) - int(read.gap.sum())
                gaps[name], sources[name] = read.gap, source_of(one, read)
                for feature, raw in zip(one.features, read.numbers, strict=True):
                    numbers[rows, place] = scaled = feature.apply(raw)
                    moments[1:, place] += scaled.sum(), np.square(scaled).sum()
                    place += 1
                if read.codes is not None:
                    codes[rows, code_place] = read.codes
                    code_place += 1
            for indicator in self.indicators:
                told = np.logical_or.reduce([gaps[name] for name in indicator.columns])
                numbers[rows, place] = told
                moments[1:, place] += told.sum()
                place += 1
            for pair in self.pairs:
                found = pair.statistic.of(sources[pair.statistic.first.column], sources[pair.statistic.second.column])
                for feature, raw in zip(pair.features, found.T, strict=True):
                    numbers[rows, place] = scaled = feature.apply(raw.copy())
                    moments[1:, place] += scaled.sum(), np.square(scaled).sum()
                    place += 1
        moments[0] = data.height
        self._refuse_other_kinds(data, unreadable, present, what)
        unseen = {
            name: int(count)
            for name, count in zip(self.code_names, (codes == UNSEEN).sum(axis=0), strict=True)
            if count
        }
        return Encoded(numbers, codes, unseen, {name: n for name, n in unreadable.items() if n}, moments)

    def moved(self, moments: npt.NDArray[np.float64]) -> list[str]:
        """List the columns whose distribution differs from that in training by over half a deviation.

        Parameters
        ----------
        moments : (3, n_numbers)
            As `Encoded.moments`, of a part or added up over many.
        """
        rows = moments[0, 0] if moments.size else 0
        if rows < MIN_ROWS_MOVED:
            return []
        means = moments[1] / rows
        return list(
            dict.fromkeys(
                owner
                for (owner, feature), mean in zip(self.named_features(), means, strict=True)
                if abs(mean - feature.mean) > 0.5 * max(feature.std, 0.1)
            )
        )

    def named_features(self) -> Iterator[tuple[str, Feature]]:
        """Each number's feature, after the name of its column."""
        for one in self.columns:
            for feature in one.features:
                yield one.column.name, feature
        for indicator in self.indicators:
            yield indicator.columns[0], indicator.feature
        for pair in self.pairs:
            for feature in pair.features:
                yield pair.statistic.name, feature

    def _refuse_other_kinds(
        self, data: pl.DataFrame, unreadable: dict[str, int], present: dict[str, int], what: str
    ) -> None:
        for one in self.columns:
            name = one.column.name
            if unreadable[name] > present[name]:
                values = data[name].drop_nulls()
                example = str(values[0]) if len(values) else ""
                raise DataError(
                    f"{what}: column {quoted(name)} is no {one.column.kind}, as it was in training, but has values "
                    f"such as {quoted(example)}"
                )


class RawColumn(NamedTuple):
    """A column's cells before they are scaled.

    Attributes
    ----------
    numbers : list of (n,) float64
        One for each feature; NaN for a gap.
    codes : (n,) int32, or None
    gap : (n,) bool
    unreadable : int
    """

    numbers: list[npt.NDArray[np.float64]]
    codes: npt.NDArray[np.int32] | None
    gap: npt.NDArray[np.bool_]
    unreadable: int


def fit_encoding(frame: Any, schema: Schema) -> TableEncoding:
    """Fit the encoding of a table's columns, of a training part alone and without a look at its targets.

    Parameters
    ----------
    frame : data frame
        The training rows.
    schema : Schema
        From `infer_schema`, of the same rows.
    """
    return _fit(as_frame(frame).data, schema, None)[0]


def fit_encoded(
    frame: Any,
    schema: Schema,
    targets: npt.NDArray[Any],
    groups: npt.NDArray[np.int64] | None = None,
    *,
    pairs: bool = True,
) -> tuple[TableEncoding, Encoded]:
    """Fit the encoding of a table's columns, with the statistics of its targets, and encode the training part.

    Parameters
    ----------
    frame, schema
        As of `fit_encoding`.
    targets : (n,) or (n, n_targets)
        Indices of classes, or values.
    groups : (n,), optional
        Of rows that stay together.
    pairs : bool
        Whether pairs of columns may have statistics, too.

    Returns
    -------
    encoding : TableEncoding
    encoded : Encoded
        Of the training rows, whose statistics come from other rows than themselves, and of other groups.
    """
    data = as_frame(frame).data
    encoding, crossed = _fit(data, schema, TrainingTargets(targets, groups), pairs)
    encoded = encoding.encode(data)
    for place, (name, feature) in enumerate(encoding.named_features()):
        if feature.part.startswith(TARGET):
            encoded.numbers[:, place] = feature.apply(crossed[name].pop(0).astype(np.float64))
    return encoding, encoded


def _fit(
    data: pl.DataFrame, schema: Schema, targets: TrainingTargets | None, with_pairs: bool = True
) -> tuple[TableEncoding, dict[str, list[npt.NDArray[np.float32]]]]:
    """Fit the encoding, and for each column with a statistic what it is for the training rows."""
    columns, gaps, candidates, found, known = [], {}, [], _Statistics(), set[str]()
    told = None if data.height < FEWEST_ROWS else targets
    for column in schema.used:
        cells = data[column.name]
        one = _fit_column(cells, column, schema.missing, told)
        if not one.features and told is None:
            columns.append(one)
            known.add(column.name)
            continue
        read = read_raw(one, cells, schema.missing)
        scaled = [_fitted(feature, raw) for feature, raw in zip(one.features, read.numbers, strict=True)]
        columns.append(one.model_copy(update={"features": tuple(scaled)}))
        known |= {feature.name for feature in scaled} | {column.name}
        if read.gap.any() and not one.has_codes:
            gaps[column.name] = read.gap
        if told is not None:
            found.add(column.name, _statistic(one, cells, read, schema.missing, told))
            if column.kind != "text":
                candidates.append(candidate(column.name, source_of(one, read), one.code_count))
    pairs = [] if told is None or not with_pairs else find_pairs(candidates, told)
    pairs = [pair for pair in pairs if pair[0].name not in schema.names]
    crossed = {name: list(one.crossed.T) for name, one in found.by_column.items()}
    crossed |= {statistic.name: list(numbers.T) for statistic, numbers in pairs}
    features = {name: tuple(_features_of(name, numbers)) for name, numbers in crossed.items()}
    encoding = TableEncoding(
        format="xpmlp table 1",
        table_schema=schema,
        columns=tuple(_with_statistic(one, found, features) for one in columns),
        indicators=tuple(_indicators(gaps, known)),
        pairs=tuple(EncodedPair(statistic=one, features=features[one.name]) for one, _ in pairs),
    )
    return encoding, crossed


class _Statistics:
    """The statistics of single columns that tell most, within `MOST_NUMBERS`."""

    def __init__(self) -> None:
        self.by_column: dict[str, Found] = {}

    def add(self, name: str, found: Found | None) -> None:
        """Take a column's statistic, and let go of those that tell least if there are too many numbers."""
        if found is not None:
            self.by_column[name] = found
        while sum(one.statistic.width for one in self.by_column.values()) > MOST_NUMBERS:
            del self.by_column[min(self.by_column, key=lambda one: self.by_column[one].gain)]


def _with_statistic(one: EncodedColumn, found: _Statistics, features: dict[str, tuple[Feature, ...]]) -> EncodedColumn:
    name = one.column.name
    if name not in found.by_column:
        return one
    statistic = found.by_column[name].statistic
    return one.model_copy(update={"features": (*one.features, *features[name]), "statistic": statistic})


def _features_of(name: str, crossed: list[npt.NDArray[Any]]) -> Iterator[Feature]:
    """The features of a statistic, by what it is for the training rows."""
    for number, raw in enumerate(crossed):
        part = f"{TARGET} {number + 1}"
        yield _fitted(Feature(name=f"{name}: {part}", part=part, bent=True), raw.astype(np.float64))


def _statistic(
    one: EncodedColumn, cells: pl.Series, read: RawColumn, missing: tuple[str, ...], targets: TrainingTargets
) -> Found | None:
    """The statistic of a column, where it tells anything of the targets."""
    if read.codes is not None:
        return of_category(read.codes, one.code_count, targets)
    if one.column.kind == "text":
        return of_text(words_of(as_texts(cells, missing)), targets)
    source = source_of(one, read)
    return of_number(source, targets) if one.column.kind in ("number", "date", "clock") else None


def source_of(one: EncodedColumn, read: RawColumn) -> Source:
    """The codes or numbers by which a column's statistic is looked up: whole days of a date."""
    if read.codes is not None:
        return read.codes
    return np.floor(read.numbers[0]) if one.column.kind == "date" else read.numbers[0]


def _indicators(gaps: dict[str, npt.NDArray[np.bool_]], known: set[str]) -> Iterator[Indicator]:
    """One indicator for all columns whose gaps are in the same rows, with a name that no other number has."""
    together: dict[bytes, list[str]] = {}
    for name, gap in gaps.items():
        together.setdefault(np.packbits(gap).tobytes(), []).append(name)
    for names in together.values():
        share = float(gaps[names[0]].mean())
        std = math.sqrt(share * (1 - share))
        name = f"{names[0]} missing"
        while name in known:
            name += "?"
        feature = Feature(name=name, part="missing", mean=share, std=std)
        yield Indicator(feature=feature, columns=tuple(names))


def _fit_column(
    cells: pl.Series, column: Column, missing: tuple[str, ...], targets: TrainingTargets | None = None
) -> EncodedColumn:
    """The features, levels and words of a column, the features not yet scaled."""
    name = column.name
    if column.kind == "category" and not column.order:
        texts = distinct_texts(cells, missing)
        counts = pl.DataFrame({"value": texts.values, "count": texts.counts}).sort(
            ["count", "value"], descending=[True, False]
        )
        common = counts.filter(pl.col("count") >= RARE).head(MAX_LEVELS)["value"].to_list()
        rare = counts["value"][len(common) :].head(MAX_LEVELS).to_list()
        if len(rare) == 1 and len(common) < MAX_LEVELS:  # by itself it is no crowd
            common, rare = [*common, *rare], []
        return EncodedColumn(column=column, levels=tuple(common), rare=tuple(rare))
    if column.kind in ("number", "category"):
        return EncodedColumn(column=column, features=(Feature(name=name, bent=True),))
    if column.kind == "truth":
        return EncodedColumn(column=column, features=(Feature(name=name, part="truth"),))
    if column.kind == "clock":
        parts = [("hour", True), ("hour sin", False), ("hour cos", False)]
    elif column.kind == "date":
        parts = _parts_of_dates(cells, column, missing)
    else:
        return _fit_text(cells, column, missing, targets)
    return EncodedColumn(
        column=column, features=tuple(Feature(name=f"{name}: {part}", part=part, bent=bent) for part, bent in parts)
    )


def _parts_of_dates(cells: pl.Series, column: Column, missing: tuple[str, ...]) -> list[tuple[str, bool]]:
    """The parts of a date that vary: days passed and the year as they are, the others as cycles."""
    raw = _date_parts(cells, column, missing)
    varying = {part for part, values in raw.items() if values.min() != values.max()}
    cycles = [f"{part} {wave}" for part in CYCLES if part in varying for wave in ("sin", "cos")]
    return [("days", True), *([("year", True)] if "year" in varying else []), *((part, False) for part in cycles)]


def _fit_text(
    cells: pl.Series, column: Column, missing: tuple[str, ...], targets: TrainingTargets | None
) -> EncodedColumn:
    every = as_texts(cells, missing)
    texts = every.drop_nulls()
    words = words_of(texts).list.unique().explode().drop_nulls().alias("word")
    counts = words.value_counts().sort(["count", "word"], descending=[True, False])
    telling = counts.filter((pl.col("count") >= RARE) & (pl.col("count") <= 0.95 * len(texts)))
    common = telling["word"].head(COMMON_WORDS).to_list()
    if targets is not None and common:
        common = telling_words(words_of(every), telling, MAX_WORDS, targets)
    buckets = min(MAX_BUCKETS, max(len(counts) - len(common), 0))
    named = [Feature(name=f"{column.name}: {word}", part="word") for word in common]
    hashed = [Feature(name=f"{column.name}: words {place + 1}", part="hashed") for place in range(buckets)]
    length = Feature(name=f"{column.name}: length", part="length", bent=True)
    return EncodedColumn(column=column, features=(length, *named, *hashed), words=tuple(common))


def _fitted(feature: Feature, raw: npt.NDArray[np.float64]) -> Feature:
    """A feature with the centre and scale of raw values, and the moments of what they become."""
    gap = np.isnan(raw)
    present = raw[~gap] if gap.any() else raw
    if feature.bent and len(present):
        low, center, high = _quartiles(present)
        spread = high - low
        if not spread > 0.0:  # most are the same: the others say how far one is from them
            others = np.abs(present[present != center] - center)
            spread = float(np.median(others)) if len(others) else 0.0
        scale = 1.0 / spread if spread > 0.0 else 0.0
        if not math.isfinite(scale) or not math.isfinite(center):
            center, scale = center if math.isfinite(center) else 0.0, 0.0
        feature = feature.model_copy(update={"center": center, "scale": scale})
    applied = feature.apply(raw)
    return (
        feature.model_copy(update={"mean": float(applied.mean()), "std": float(applied.std())}) if len(raw) else feature
    )


def _quartiles(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """The quartiles, as NumPy's median and quantile have them, by putting the values in order once."""
    places = np.array([0.25, 0.5, 0.75]) * (len(values) - 1)
    before = np.floor(places).astype(np.intp)
    after = np.minimum(before + 1, len(values) - 1)
    ordered = np.partition(values, np.unique([before, after]))
    parts = places - before
    low, median, high = (
        b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t
        for a, b, t in zip(ordered[before].tolist(), ordered[after].tolist(), parts.tolist(), strict=True)
    )
    if parts[1]:
        median = (ordered[before[1]] + ordered[after[1]]) / 2
    return low, float(median), high


def read_raw(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...]) -> RawColumn:
    """Read a column's cells as raw numbers, or codes."""
    read, statistic = _read_plain(one, cells, missing), one.statistic
    if statistic is None:
        return read
    if read.codes is not None:
        told = statistic.of_codes(read.codes)
    elif one.column.kind == "text":
        told = statistic.of_words(words_of(as_texts(cells, missing)))
    else:
        told = statistic.of_numbers(source_of(one, read))
    return read._replace(numbers=[*read.numbers, *told.T])


def _read_plain(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...]) -> RawColumn:
    """Read a column's cells as they are, without the statistic of the targets."""
    column, kind = one.column, one.column.kind
    if one.has_codes:
        if "+" in (*one.levels, *one.rare):  # beside it a dash is a category
            missing = tuple(text for text in missing if text != "-")
        codes = _codes(one, cells, missing)
        return RawColumn([], codes, codes == MISSING_CODE, 0)
    if kind == "date":
        parts = _date_parts(cells, column, missing)
        days = parts["days"]
        numbers = [_cycled(parts, feature.part) for feature in own_features(one)]
        present = cells if cells.dtype != pl.String else as_texts(cells, missing)
        return RawColumn(numbers, None, days.is_null().to_numpy(), days.null_count() - present.null_count())
    if kind == "text":
        texts = as_texts(cells, missing)
        return RawColumn(_text_numbers(one, texts), None, texts.is_null().to_numpy(), 0)
    values, unreadable = read_cells(cells, column, missing)
    if kind == "category":
        ranks = _matched(values, column.order)
        unreadable = ranks.null_count() - values.null_count()
        return RawColumn([_floats(ranks)], None, ranks.is_null().to_numpy(), unreadable)
    raw = _floats(values)
    gap = np.isnan(raw)
    if kind == "truth":
        raw = 2.0 * raw - 1.0
    if kind == "clock":
        numbers = [_cycled({"hour": values}, feature.part) for feature in own_features(one)]
        return RawColumn(numbers, None, gap, unreadable)
    return RawColumn([raw], None, gap, unreadable)


def own_features(one: EncodedColumn) -> tuple[Feature, ...]:
    """The features of a column without those of its statistic."""
    return one.features[: len(one.features) - (one.statistic.width if one.statistic else 0)]


def _floats(values: pl.Series) -> npt.NDArray[np.float64]:
    return values.cast(pl.Float64).to_numpy()


def _codes(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """The codes of cells: most are written as the levels are, and each of the others is looked up once."""
    if cells.dtype != pl.String:
        cells = as_texts(cells, missing)
    known = (*one.levels, *one.rare)
    places = [*range(FIRST, FIRST + len(one.levels)), *[FIRST + len(one.levels)] * len(one.rare)]
    found = cells.replace_strict(known, places, default=None, return_dtype=pl.Int32) if known else None
    if found is None or found.null_count() > cells.null_count():
        others = (cells if found is None else cells.filter(found.is_null())).drop_nulls().unique()
        told = _codes_of_texts(one, as_texts(others, missing))
        rest = cells.replace_strict(others, told, default=None, return_dtype=pl.Int32) if len(others) else None
        found = rest if found is None else found if rest is None else pl.select(pl.coalesce(found, rest)).to_series()
    if found is None:
        return np.full(len(cells), MISSING_CODE, np.int32)
    return found.fill_null(MISSING_CODE).to_numpy() if found.null_count() else found.to_numpy()


def _codes_of_texts(one: EncodedColumn, texts: pl.Series) -> pl.Series:
    found = _matched(texts, (*one.levels, *one.rare))
    codes = pl.select(
        pl.when(texts.is_null())
        .then(MISSING_CODE)
        .when(found.is_null())
        .then(UNSEEN)
        .otherwise((found + FIRST).clip(upper_bound=FIRST + len(one.levels)))
        .cast(pl.Int32)
    )
    return codes.to_series()


def _matched(texts: pl.Series, levels: tuple[str, ...]) -> pl.Series:
    """The place of each text among some levels, null if it is none of them.

    One that is written otherwise is the level of the same number or truth value, if there is one alone: 7.0 is 7.
    """
    places = dict(zip(levels, range(len(levels)), strict=True))
    distinct = texts.drop_nulls().unique().to_list()
    unknown = {text: meaning_of(text) for text in distinct if text not in places}
    if any(meaning is not None for meaning in unknown.values()):
        meanings = list(map(meaning_of, levels))
        counts = Counter(meanings)
        by_meaning = {meaning: place for place, meaning in enumerate(meanings) if counts[meaning] == 1}
        places |= {
            text: by_meaning[meaning]
            for text, meaning in unknown.items()
            if meaning is not None and meaning in by_meaning
        }
    if not places:
        return pl.Series([None] * len(texts), dtype=pl.Int64)
    return texts.replace_strict(list(places), list(places.values()), default=None, return_dtype=pl.Int64)


def meaning_of(text: str) -> float | str | None:
    """The number or the truth value that a text writes; None for other texts."""
    if text.lower() in ("true", "false"):
        return text.lower()
    if text[:1] == "0" and text[:2] not in ("0", "0."):
        return None  # 007 is not 7
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date_parts(cells: pl.Series, column: Column, missing: tuple[str, ...]) -> dict[str, pl.Series]:
    both = as_dates(cells, column, missing).values
    wall, instant = both.struct.field("wall"), both.struct.field("instant")
    return {
        "days": instant.to_physical().cast(pl.Float64) / (SECONDS_PER_DAY * 1e6),
        "year": wall.dt.year(),
        "month": wall.dt.month() - 1,
        "day": wall.dt.day() - 1,
        "weekday": wall.dt.weekday() - 1,
        "hour": wall.dt.hour().cast(pl.Float64) + wall.dt.minute().cast(pl.Float64) / 60,
    }


def _cycled(parts: dict[str, pl.Series], part: str) -> npt.NDArray[np.float64]:
    if part in parts:
        return _floats(parts[part])
    name, wave = part.rsplit(" ", 1)
    angle = 2 * np.pi * _floats(parts[name]) / CYCLES[name]
    return np.sin(angle) if wave == "sin" else np.cos(angle)


def _text_numbers(one: EncodedColumn, texts: pl.Series) -> list[npt.NDArray[np.float64]]:
    """The length, and for each word or bucket whether the text has it."""
    lengths = np.log1p(_floats(texts.str.len_chars()))
    words = words_of(texts)
    found = pl.DataFrame({"row": pl.arange(len(texts), eager=True), "word": words}).explode("word").drop_nulls()
    buckets = len(own_features(one)) - 1 - len(one.words)
    places = dict(zip(one.words, range(len(one.words)), strict=True))
    table = np.zeros((len(texts), len(own_features(one)) - 1))
    distinct = found["word"].unique().to_list()
    place_of = {
        word: places[word] if word in places else len(one.words) + zlib.crc32(word.encode()) % buckets
        for word in distinct
        if word in places or buckets
    }
    if place_of:
        slots = found["word"].replace_strict(
            list(place_of), list(place_of.values()), default=None, return_dtype=pl.Int64
        )
        kept = slots.is_not_null().to_numpy()
        table[found["row"].to_numpy()[kept], slots.drop_nulls().to_numpy()] = 1.0
    return [lengths, *table.T]
