"""Suggestions about suspicious parts of a table; none is applied unasked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.messages import listed, percent, quoted
from xpmlp.data.tables.columns import Column, Schema
from xpmlp.data.tables.frames import columns_of
from xpmlp.data.tables.header import NO_VALUE
from xpmlp.data.tables.inference import FEW, read_cells
from xpmlp.data.tables.splitting import MIN_OF_CLASS
from xpmlp.data.tables.targets import Targets
from xpmlp.data.tables.telling import Telling

MARKERS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0)
"""Numbers that often stand for a missing value."""

FEW_ALIKE = 5
"""Maximum number of columns with the same defect reported in a sentence each; the others are reported together."""

SAME = 0.001
"""Maximum difference, as a share of their range, of numbers that are the same in other units: they may be rounded."""

ALONE = 0.99
"""The accuracy, or share of explained variance, above which one column gives the target away: see `Telling`."""

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
    seen: dict[bytes, tuple[str, npt.NDArray[np.float64]]] = {}
    same: list[tuple[str, str]] = []
    for column in schema.used[:MAX_COMPARED]:
        if column.distinct < 2 or column.kind == "text":
            continue
        values, _ = read_cells(data[column.name], column, schema.missing)
        ordered = column.kind != "category"
        physical = values.to_physical() if ordered else values.rank("dense")
        if (pattern := _pattern(physical.cast(pl.Float64).to_numpy(), ordered)) is None:
            continue
        key, numbers = pattern
        name, others = seen.setdefault(key, (column.name, numbers))
        if name != column.name and np.allclose(numbers, others, rtol=0, atol=SAME, equal_nan=True):
            same.append((column.name, name))
    for name, other in same[:FEW_ALIKE]:
        yield f"{quoted(name)} says the same as {quoted(other)}: drop one of them"
    if rest := [name for name, _ in same[FEW_ALIKE:]]:
        yield f"{len(rest):,} more columns say the same as others: {listed(rest, 5)}"


def _pattern(numbers: npt.NDArray[np.float64], ordered: bool) -> tuple[bytes, npt.NDArray[np.float64]] | None:
    """Return what twins have in common: a key, and numbers that may differ by `SAME`; None if nothing tells twins.

    Where values recur, the key is the row of each value's first appearance.  Where most values are distinct, this row
    is much the same for all columns: twins are then numbers in the same or in reverse order, equal but for their unit.
    """
    distinct, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    if 2 * len(distinct) <= len(numbers):
        return b"rows" + first[places].astype(np.uint32).tobytes(), np.zeros(0)
    if not ordered:
        return None
    highest = int(np.isfinite(distinct).sum()) - 1
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (numbers - distinct[0]) / (distinct[highest] - distinct[0])
    if first[0] > first[highest]:
        places, scaled = np.where(places > highest, places, highest - places), 1.0 - scaled
    return b"order" + places.astype(np.uint32).tobytes(), scaled


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
            yield _nothing_to_learn(names[0], str(classes[0]))
        elif counts.max() > 0.9 * counts.sum():
            common = str(classes[counts.argmax()])
            share = percent(counts.max() / counts.sum())
            yield f"{quoted(common)} is {share} of the target: consider --class-weight balanced"
        return
    for name, values in zip(names, targets.labels.T, strict=True):
        if values.min() == values.max():
            yield _nothing_to_learn(name, f"{values[0]:g}")
        deviation = values.std()
        skewness = float(np.mean(((values - values.mean()) / deviation) ** 3)) if deviation > 0 else 0.0
        if skewness > 3 and values.min() > 0:
            yield f"the target {quoted(name)} has a long tail: consider --set data.log_target=true"


def _nothing_to_learn(name: str, value: str) -> str:
    return f"the target {quoted(name)} has one value, {quoted(value)}: there is nothing to learn"


def _give_away(data: pl.DataFrame, schema: Schema, targets: Targets) -> Iterator[str]:
    """Report columns that determine the target by themselves."""
    telling, series = Telling(targets), columns_of(data)
    shares = {
        column.name: telling.share(column, read_cells(series[column.name], column, schema.missing)[0])
        for column in schema.used
    }
    found = sorted((name for name, share in shares.items() if share > ALONE), key=lambda name: -shares[name])
    for name in found[:FEW_ALIKE]:
        yield (
            f"{quoted(name)} alone tells the target ({shares[name]:.1%}): is it known when a prediction is wanted? "
            f"If not, --drop {quoted(name)}"
        )
    if rest := found[FEW_ALIKE:]:
        yield f"{len(rest):,} more columns tell the target, each alone: {listed(rest, 5)}"
