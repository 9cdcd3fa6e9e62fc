"""Suggestions about suspicious parts of a table; none is applied unasked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.messages import listed, quoted
from xpmlp.data.tables.cells import as_texts
from xpmlp.data.tables.columns import Column, Schema
from xpmlp.data.tables.frames import columns_of
from xpmlp.data.tables.header import NO_VALUE
from xpmlp.data.tables.inference import FEW, read_cells
from xpmlp.data.tables.splitting import MIN_OF_CLASS
from xpmlp.data.tables.targets import Targets

MARKERS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0)
"""Numbers that often stand for a missing value."""

FEW_TWINS = 5
"""Maximum number of redundant columns reported in a sentence each; the others are reported together."""

ALONE = 0.99
"""The accuracy, or share of explained variance, above which one column gives the target away."""

FEWEST_OF_TOTAL = 5
"""Minimum number of rows for the last to be a total."""

FEW_REPEATED = 0.001
"""The share of repeated rows up to which they do not matter."""

MAX_COMPARED = 400
"""Maximum number of columns compared with one another."""

_TOTAL = re.compile(
    r"^\W*((grand|sub)[ -]?)?(totals?|sums?|overall|average|mean|gesamt(summe)?|insgesamt|summe)\W*$", re.IGNORECASE
)
_NUMBER_LIKE = r"^[^\p{L}\p{Nd}]{0,4}\p{Nd}[\p{Nd}.,' ]*[^\p{L}\p{Nd}]{0,4}$"
_DATE_LIKE = r"^[0-9]{1,4}([-/.])[0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?$"
_CODE_NAME = re.compile(r"zip|postal|postcode|plz|code|class|type|category|precinct|ward|district|region|group$", re.I)
_ID_NAME = re.compile(r"(^|[_. -])(id|case|person|customer|patient|user|subject)|[a-z]Id$|(id|ID)$")


def suggestions(data: pl.DataFrame, schema: Schema, targets: Targets | None, names: Sequence[str]) -> list[str]:
    """Suggest changes to a table before training, in a sentence each.

    Parameters
    ----------
    data : pl.DataFrame
        The rows with a target, from which the schema was inferred.
    schema : Schema
    targets : Targets, optional
    names : sequence of str
        The columns of the target.
    """
    found = [*total_row(data), *_left_out(schema), *_twins(data, schema), *_repeated_rows(data)]
    series = columns_of(data)
    for column in schema.columns:
        values, _ = read_cells(series[column.name], column, schema.missing)
        found += _of_column(column, values)
    if targets is not None:
        found += _of_target(targets, names)
        found += _give_away(data, schema, targets)
    return found


def total_row(data: pl.DataFrame) -> list[str]:
    """Report a last row that is a total: by a word for it, or by missing values beside sums of the rows above."""
    if data.height < FEWEST_OF_TOTAL:
        return []
    last, gaps, sums = data.row(-1), 0, 0
    for name, cell in zip(data.columns, last, strict=True):
        text = "" if cell is None else str(cell).strip()
        if _TOTAL.match(text) and (data[name] == cell).sum() == 1:
            return [f"the last row is a {text.strip(': ').lower()}, not a row like the others: delete it"]
        gaps += not text
    if not gaps or data.width > MAX_COMPARED:
        return []
    for name, cell in zip(data.columns, last, strict=True):
        if cell is not None and (data[name].dtype.is_numeric() or data[name].dtype == pl.String):
            numbers = data[name].cast(pl.Float64, strict=False)
            if numbers[-1] is None:
                continue
            if not math.isclose(numbers[-1], float(numbers[:-1].sum()), rel_tol=1e-9):
                return []
            sums += 1
    said = "the last row is the sum of those above it, not a row like the others: delete it"
    return [said] if sums > 1 else []


def _left_out(schema: Schema) -> Iterator[str]:
    for kind, what in (("constant", "have one value or none"), ("id", "only name their rows")):
        some = [column.name for column in schema.columns if column.kind == kind]
        if some:
            yield f"left out, since they {what}: {listed(some, 5)}"


def _twins(data: pl.DataFrame, schema: Schema) -> Iterator[str]:
    """Report columns with equal values, or values in one-to-one correspondence."""
    seen: dict[bytes, str] = {}
    same: list[tuple[str, str]] = []
    for column in schema.used[:MAX_COMPARED]:
        if column.distinct < 2 or column.kind == "text":
            continue
        cells = data[column.name]
        texts = cells.cast(pl.Float64) if cells.dtype.is_numeric() else as_texts(cells, schema.missing).rank("dense")
        _, first, places = np.unique(texts.cast(pl.Float64).to_numpy(), return_index=True, return_inverse=True)
        key = first[places].astype(np.uint32).tobytes()  # the row of each value's first appearance
        if key in seen:
            same.append((column.name, seen[key]))
        else:
            seen[key] = column.name
    for name, other in same[:FEW_TWINS]:
        yield f"{quoted(name)} says the same as {quoted(other)}: drop one of them"
    if rest := [name for name, _ in same[FEW_TWINS:]]:
        yield f"{len(rest):,} more columns say the same as others: {listed(rest, 5)}"


def _repeated_rows(data: pl.DataFrame) -> Iterator[str]:
    repeated = data.height - data.hash_rows(seed=0).n_unique()
    if repeated > FEW_REPEATED * data.height:
        yield (
            f"{repeated:,} rows are there more than once: some will be on both sides of a split, and make the score "
            "too good; drop them, or name their --group"
        )


def _of_column(column: Column, values: pl.Series) -> Iterator[str]:
    name, present = column.name, values.drop_nulls()
    if column.note:
        yield f"{quoted(name)}: {column.note}"
    if present.is_empty():
        return
    if column.kind in ("id", "text") and not column.why.startswith("whole numbers"):
        yield from _of_odd_spellings(name, present)
    if column.kind == "number":
        yield from _of_numbers(column, present.to_numpy())
    elif column.kind == "category" and not column.order:
        strange = [value for value in present.unique().to_list() if NO_VALUE.match(value)]
        if strange:
            found = listed(sorted(strange), 3)
            yield f"{quoted(name)} has {found}: if that means a missing value, add it to data.missing"
        if _ID_NAME.search(name) and column.distinct > FEW:
            yield f"{quoted(name)} may tell whose rows belong together: then give --group {quoted(name)}"


def _of_odd_spellings(name: str, texts: pl.Series) -> Iterator[str]:
    """Report numbers and dates that could not be read because they are written in more than one way."""
    for pattern, what, how in ((_NUMBER_LIKE, "numbers", "as 1234.5"), (_DATE_LIKE, "dates", "as 2024-01-31")):
        like = texts.filter(texts.str.contains(pattern))
        if len(like) > 0.9 * len(texts) and not like.str.contains("^[0-9 ]+$").all():
            shown = listed(like.unique(maintain_order=True).head(2).to_list())
            yield f"{quoted(name)} looks like {what} that are written in several ways, as {shown}: write all {how}"
            return


def _of_numbers(column: Column, values: npt.NDArray[Any]) -> Iterator[str]:
    name = column.name
    distinct, counts = np.unique(values, return_counts=True)
    for end, neighbour in ((0, 1), (-1, -2)) if len(distinct) > 2 else ():
        rest = np.delete(distinct, end)
        spread = float(np.quantile(rest, 0.9) - np.quantile(rest, 0.1))
        if (
            distinct[end] in MARKERS
            and counts[end] > 1
            and abs(distinct[end] - distinct[neighbour]) > max(spread, 1e-9)
        ):
            found = f"{distinct[end]:g} in {counts[end]:,} rows"
            yield f"{quoted(name)} has {found}: if that means a missing value, replace it"
    if not (values == np.trunc(values)).all():
        return
    low, high = float(distinct[0]), float(distinct[-1])
    if low >= 0 and 1300 < high <= 2400 and (values % 100 < 60).all() and len(distinct) > 24:
        yield f"{quoted(name)} looks like times of day: if it is, give --types {quoted(name + '=clock')}"
    elif low >= 19000101 and high <= 21001231 and (values // 100 % 100 <= 12).all() and (values % 100 <= 31).all():
        yield f"{quoted(name)} looks like dates as whole numbers: write them as 2024-01-31"
    elif 2 < len(distinct) <= 10 * FEW and (_CODE_NAME.search(name) or _has_holes(distinct)):
        yield (
            f"{quoted(name)} has {len(distinct)} whole numbers, which may be names: if they are, give "
            f"--types {quoted(name + '=category')}"
        )


def _has_holes(distinct: npt.NDArray[Any]) -> bool:
    """Whether distinct whole numbers are few, positive, of up to three digits, and leave out most of their range."""
    low, high = float(distinct[0]), float(distinct[-1])
    return len(distinct) <= FEW and low > 0 and high < 1_000 and high - low > 3 * len(distinct)


def _of_target(targets: Targets, names: Sequence[str]) -> Iterator[str]:
    if targets.task == "classes":
        classes, counts = np.unique(targets.labels, return_counts=True)
        rare = [str(one) for one in classes[counts < MIN_OF_CLASS].tolist()]
        if rare:
            yield f"classes with under {MIN_OF_CLASS} rows stay in the training part: {listed(rare, 4)}"
        if len(classes) == 1:
            yield f"the target has one value, {quoted(str(classes[0]))}: there is nothing to learn"
        elif counts.max() > 0.9 * counts.sum():
            common = str(classes[counts.argmax()])
            share = counts.max() / counts.sum()
            yield f"{quoted(common)} is {share:.0%} of the target: consider --class-weight balanced"
        return
    for name, values in zip(names, targets.labels.T, strict=True):
        deviation = values.std()
        skewness = float(np.mean(((values - values.mean()) / deviation) ** 3)) if deviation > 0 else 0.0
        if skewness > 3 and values.min() > 0:
            yield f"the target {quoted(name)} has a long tail: consider --set data.log_target=true"


def _give_away(data: pl.DataFrame, schema: Schema, targets: Targets) -> Iterator[str]:
    """Report columns that determine the target by themselves."""
    labels = targets.labels
    if targets.task == "classes":
        _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if counts.max() > ALONE * len(labels):
            return
    series = columns_of(data)
    for column in schema.used:
        values, _ = read_cells(series[column.name], column, schema.missing)
        if column.kind in ("number", "truth", "clock"):
            numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
            order = np.argsort(numbers, kind="stable")
            bins = np.empty(len(order), dtype=np.int64)
            bins[order] = np.arange(len(order)) * min(200, max(len(order) // 20, 1)) // len(order)
            if column.distinct <= 200:
                bins = np.unique(np.nan_to_num(numbers, nan=np.inf), return_inverse=True)[1]
        elif column.kind == "category" and column.distinct < len(labels) / 10:
            bins = values.fill_null("").rank("dense").cast(pl.Int64).to_numpy() - 1
        else:
            continue
        if targets.task == "classes":
            table = np.zeros((int(bins.max()) + 1, len(counts)))
            np.add.at(table, (bins, places), 1)
            told = table.max(axis=1).sum() / len(labels)
        else:
            told = _explained(bins, labels[:, 0])
        if told > ALONE:
            yield (
                f"{quoted(column.name)} alone tells the target ({told:.1%}): is it known when a prediction is wanted? "
                f"If not, --drop {quoted(column.name)}"
            )


def _explained(bins: npt.NDArray[Any], values: npt.NDArray[Any]) -> float:
    """Compute the share of the variance of values that lies between bins."""
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=values) / np.maximum(counts, 1)
    variance = float(values.var())
    return 1.0 - float(np.mean((values - means[bins]) ** 2)) / variance if variance > 0 else 0.0
