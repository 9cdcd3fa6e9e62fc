"""Fitting of a table's encoding on its training part: levels, words, centres and scales, statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.tables.cells import as_texts, distinct_texts, words_of
from xpmlp.data.tables.columns import MAX_LEVELS, MAX_NAME, Column, Schema
from xpmlp.data.tables.encoding import Encoded, TableEncoding
from xpmlp.data.tables.features import MAX_WORDS, EncodedColumn, EncodedPair, Feature, Indicator
from xpmlp.data.tables.frames import as_frame, columns_of
from xpmlp.data.tables.inference import RARE, read_cells
from xpmlp.data.tables.pairs import FEWEST_ROWS as FEWEST_FOR_PAIRS
from xpmlp.data.tables.pairs import candidate, find_pairs
from xpmlp.data.tables.raw import CYCLES, RawColumn, date_parts, read_raw, source_of
from xpmlp.data.tables.statistics import (
    MOST_NUMBERS,
    Found,
    TrainingTargets,
    of_category,
    of_number,
    of_text,
    shrunk_means,
    telling_words,
)

COMMON_WORDS = 24
"""Maximum number of words of a text column without a target: the commonest ones."""

MAX_BUCKETS = 8
"""Maximum number of buckets into which all other words of a text column are hashed."""

FEWEST_ROWS = 50
"""Minimum number of training rows for target statistics."""

MOST_TRIED = 2_000
"""Maximum number of columns whose statistics are fitted; of more, those whose bins explain most of the targets."""

SCREENING_BINS = 16
"""Bins, of equal counts, of a number for that choice."""

TARGET = "target"
"""The prefix of ``part`` in a statistic's features: "target 1", "target 2", ..."""


def fit_encoding(frame: Any, schema: Schema) -> TableEncoding:
    """Fit the encoding of a table's columns on a training part alone, without its targets.

    Parameters
    ----------
    frame : data frame
        The training rows.
    schema : Schema
        From `infer_schema` on the same rows.
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
    """Fit the encoding of a table's columns, with target statistics, and encode the training part.

    Parameters
    ----------
    frame, schema
        As for `fit_encoding`.
    targets : (n,) or (n, n_targets)
        Class indices, or values.
    groups : (n,), optional
        The group of each row; a group stays in one fold.
    pairs : bool
        Whether to try statistics of pairs of columns, too.

    Returns
    -------
    encoding : TableEncoding
    encoded : Encoded
        The training rows; the statistics of each come from other rows, and from other groups.
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
    """Fit the encoding, and compute each statistic's out-of-fold numbers for the training rows."""
    columns, gaps, candidates, found, known = [], {}, [], dict[str, Found](), set[str]()
    told = None if data.height < FEWEST_ROWS else targets
    tried = set() if told is None else _most_telling(data, schema, told)
    with_pairs = with_pairs and data.height >= FEWEST_FOR_PAIRS
    series = columns_of(data)
    for column in schema.used:
        cells = series[column.name]
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
        if told is not None and column.name in tried:
            _add(found, column.name, _statistic(one, cells, read, schema.missing, told))
            if column.kind != "text" and with_pairs:
                candidates.append(candidate(column.name, source_of(one, read), one.code_count))
    pairs = [] if told is None or not with_pairs else find_pairs(candidates, told)
    pairs = [pair for pair in pairs if pair[0].name not in schema.names]
    crossed = {name: list(one.crossed.T) for name, one in found.items()}
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


def _most_telling(data: pl.DataFrame, schema: Schema, targets: TrainingTargets) -> set[str]:
    """Return the names of all columns, or in a wide table of those that explain most by themselves."""
    if len(schema.used) <= MOST_TRIED:
        return {column.name for column in schema.used}
    gains, series = dict[str, float](), columns_of(data)
    for column in schema.used:
        gains[column.name] = 1.0 if column.kind == "text" else 0.0
        if column.kind not in ("text", "truth"):
            values, _ = read_cells(series[column.name], column, schema.missing)
            if column.kind == "category":
                places = values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
            else:
                places = _ranked(values.to_physical().cast(pl.Float64).to_numpy())
                places = -(-places * SCREENING_BINS // len(places))
            means = shrunk_means(places, int(places.max()) + 1, targets.columns)
            gains[column.name] = targets.gain(means[places])
    return set(sorted(gains, key=lambda name: -gains[name])[:MOST_TRIED])


def _ranked(raw: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rank numbers (n,): the count of those less than or equal to each; 0 for NaN."""
    gap = np.isnan(raw)
    return np.where(gap, 0, np.sort(raw[~gap]).searchsorted(raw, side="right"))


def _add(found: dict[str, Found], name: str, new: Found | None) -> None:
    """Add a column's statistic, if any; of more than `MOST_NUMBERS` numbers, drop the least informative statistics."""
    if new is not None:
        found[name] = new
    while sum(one.statistic.width for one in found.values()) > MOST_NUMBERS:
        del found[min(found, key=lambda each: found[each].gain)]


def _with_statistic(
    one: EncodedColumn, found: dict[str, Found], features: dict[str, tuple[Feature, ...]]
) -> EncodedColumn:
    name = one.column.name
    if name not in found:
        return one
    statistic = found[name].statistic
    return one.model_copy(update={"features": (*one.features, *features[name]), "statistic": statistic})


def _features_of(name: str, crossed: list[npt.NDArray[Any]]) -> Iterator[Feature]:
    """Yield the features of a statistic, fitted to its out-of-fold numbers."""
    for number, raw in enumerate(crossed):
        part = f"{TARGET} {number + 1}"
        yield _fitted(Feature(name=f"{name}: {part}", part=part, bent=True), raw.astype(np.float64))


def _statistic(
    one: EncodedColumn, cells: pl.Series, read: RawColumn, missing: tuple[str, ...], targets: TrainingTargets
) -> Found | None:
    """Fit the statistic of a column; None if it tells nothing about the targets."""
    if read.codes is not None:
        return of_category(read.codes, one.code_count, targets)
    if one.column.kind == "text":
        return of_text(words_of(as_texts(cells, missing)), targets)
    source = source_of(one, read)
    return of_number(source, targets) if one.column.kind in ("number", "date", "clock") else None


def _indicators(gaps: dict[str, npt.NDArray[np.bool_]], known: set[str]) -> Iterator[Indicator]:
    """Yield one uniquely named indicator for all columns that are missing in the same rows."""
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
    """Determine the features, levels and words of a column; the features are not yet scaled."""
    name = column.name
    if column.kind == "category" and not column.order:
        texts = distinct_texts(cells, missing)
        counts = pl.DataFrame({"value": texts.values, "count": texts.counts}).sort(
            ["count", "value"], descending=[True, False]
        )
        counts = counts.filter(pl.col("value").str.len_chars() <= MAX_NAME)  # the others are unknown
        common = counts.filter(pl.col("count") >= RARE).head(MAX_LEVELS)["value"].to_list()
        rare = counts["value"][len(common) :].head(MAX_LEVELS).to_list()
        if len(rare) == 1 and len(common) < MAX_LEVELS:  # a single rare category gets its own code
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
    """List the varying parts of a date: days passed and the year as numbers, the others as cycles."""
    raw = date_parts(cells, column, missing)
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
    telling = telling.filter(pl.col("word").str.len_chars() <= MAX_NAME - len(f"{column.name}: "))
    common = telling["word"].head(COMMON_WORDS).to_list()
    if targets is not None and common:
        common = telling_words(words_of(every), telling, MAX_WORDS, targets)
    buckets = min(MAX_BUCKETS, max(len(counts) - len(common), 0))
    named = [Feature(name=f"{column.name}: {word}", part="word") for word in common]
    hashed = [Feature(name=f"{column.name}: words {place + 1}", part="hashed") for place in range(buckets)]
    length = Feature(name=f"{column.name}: length", part="length", bent=True)
    return EncodedColumn(column=column, features=(length, *named, *hashed), words=tuple(common))


def _fitted(feature: Feature, raw: npt.NDArray[np.float64]) -> Feature:
    """Fit a feature's centre and scale to raw values, and its moments to the scaled ones."""
    gap = np.isnan(raw)
    present = raw[~gap] if gap.any() else raw
    if feature.bent and len(present):
        low, center, high = _quartiles(present)
        spread = high - low
        if not spread > 0.0:  # most are equal: the others' distances give the scale
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
    """Compute the quartiles, equal to NumPy's median and quantile, by a single partition of the values."""
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
