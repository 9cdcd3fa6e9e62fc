"""The target of a table: reading it as labels or values, and the scaling of values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from xpmlp.data.labels import finite_number, label_places, typed_labels
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.objects import MAX_LABEL_LENGTH
from xpmlp.data.saved import Finite, Frozen
from xpmlp.data.table_options import Task
from xpmlp.data.tables.cells import as_numbers, as_texts, cast_to_texts, number_style
from xpmlp.data.tables.columns import Name, NumberStyle
from xpmlp.data.tables.inference import FEW
from xpmlp.errors import DataError

MAX_CLASSES = 10_000


class Target(Frozen):
    """The conversion of targets to the network's scale, and of its outputs back.

    Attributes
    ----------
    names : tuple of str
        The columns.
    task : "classes" or "values"
    log : bool
        Whether the network learns the logarithm of values.
    centers, scales : tuple of float
        For values: they give each column mean 0 and standard deviation 1 in training.
    """

    names: tuple[Name, ...] = Field(max_length=10_000)
    task: Literal["classes", "values"]
    log: bool = False
    centers: tuple[Finite, ...] = ()
    scales: tuple[Finite, ...] = ()

    def scaled(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Scale values (n, n_targets) for the network."""
        values = np.log(values) if self.log else values
        return (values - np.asarray(self.centers)) / np.asarray(self.scales) if self.centers else values

    def unscaled(self, outputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Convert outputs (n, n_outputs) of the network to values; the outputs of a target are adjacent."""
        values = outputs.astype(np.float64)
        if self.centers:
            times = values.shape[1] // len(self.centers)
            values = values * np.repeat(self.scales, times) + np.repeat(self.centers, times)
        return np.exp(values) if self.log else values


class Targets(NamedTuple):
    """The targets of a table's rows.

    Attributes
    ----------
    task : "classes" or "values"
    why : str
    labels : (n,) or (n, n_targets)
        Labels of NumPy's types, or float64 values.
    kept : (n,) bool
        A mask of the table's rows that have a target, n in number.
    """

    task: Literal["classes", "values"]
    why: str
    labels: npt.NDArray[Any]
    kept: npt.NDArray[np.bool_]


def find_targets(columns: Sequence[str], wanted: str | Sequence[str], source: str) -> tuple[str, ...]:
    """Find the columns of the target by name, or by the only name that differs just in case or blanks.

    Raises
    ------
    DataError
        If there is no such column, or one is named twice.
    """
    found = []
    for name in (wanted,) if isinstance(wanted, str) else wanted:
        alike = [one for one in columns if one.strip().casefold() == name.strip().casefold()]
        if name not in columns and len(alike) != 1:
            raise DataError(f"{source}: has no column {quoted(name)} for the target{did_you_mean(name, list(columns))}")
        found.append(name if name in columns else alike[0])
    if twice := [name for name, times in Counter(found).items() if times > 1]:
        raise DataError(f"{source}: the target names {listed(twice)} twice: name each column once")
    return tuple(found)


def read_targets(
    data: pl.DataFrame, names: Sequence[str], task: Task, missing: Sequence[str], decimal: str | None, source: str
) -> Targets:
    """Read the columns of the target, leaving out rows without one.

    One column of numbers is values if it has fractions or more than 20 distinct values, else classes; several columns
    are values.

    Raises
    ------
    DataError
        If no row has a target, values are not numbers, or labels cannot be classes.
    """
    if len(names) > 1:
        columns = [_numbers(_cells(data[name]), missing, decimal, source) for name in names]
        values = np.stack(columns, axis=1)
        kept = np.asarray(~np.isnan(values).any(axis=1))
        _refuse_none(kept, names, source)
        return Targets("values", f"{len(names)} columns of numbers", values[kept], kept)
    column = _cells(data[names[0]])
    texts = _texts(column, missing, source)
    kept = texts.is_not_null().to_numpy()
    _refuse_none(kept, names, source)
    numbers = _all_numbers(column, texts, missing, decimal)
    chosen, why = _task(numbers, task)
    if chosen == "values":
        if numbers is None:
            numbers = _numbers(column, missing, decimal, source)
        kept = ~np.isnan(numbers)
        _refuse_none(kept, names, source)
        return Targets("values", why, numbers[kept, None], kept)
    return Targets("classes", why, _labels(column.filter(pl.Series(kept)), texts.drop_nulls(), source), kept)


def fit_target(names: Sequence[str], targets: Targets, rows: npt.NDArray[np.intp], *, log: bool, scale: bool) -> Target:
    """Fit the scaling of values on the training rows; labels have none."""
    if targets.task == "classes":
        if log:
            raise DataError("the target has classes, of which there is no logarithm: leave data.log_target out")
        return Target(names=tuple(names), task="classes")
    values = targets.labels[rows]
    if log and not (targets.labels > 0).all():
        raise DataError("the target has values of 0 or less, of which there is no logarithm: leave data.log_target out")
    values = np.log(values) if log else values
    if not scale:
        return Target(names=tuple(names), task="values", log=log)
    with np.errstate(over="ignore", invalid="ignore"):
        centers, deviations, ranges = values.mean(axis=0), values.std(axis=0), np.ptp(values, axis=0)
        ranges = np.where(ranges > 0, ranges, 1.0)
        tiny = ranges * (values / ranges).std(axis=0)  # of numbers whose squares are 0
        deviations = np.where(deviations > 0, deviations, tiny)
    if not np.isfinite(centers + deviations).all():
        raise DataError(
            "the target has values whose mean or deviation is too large a number: divide them by a constant"
        )
    scales = np.where(deviations > 0, deviations, 1.0)
    return Target(
        names=tuple(names),
        task="values",
        log=log,
        centers=tuple(centers.tolist()),
        scales=tuple(scales.tolist()),
    )


def class_places(labels: npt.NDArray[Any], classes: npt.NDArray[Any], source: str) -> npt.NDArray[np.int64]:
    """Return the index of each label among known classes.

    Raises
    ------
    DataError
        If a label is not one of them.
    """
    found, places = np.unique(labels, return_inverse=True)
    known = label_places([str(label) for label in found.tolist()], classes)
    for label, place in zip(found.tolist(), known, strict=True):
        if place is None:
            raise DataError(
                f"{source}: has the label {quoted(str(label))}, which no training example had: these had "
                f"{listed([str(one) for one in classes.tolist()])}."
            )
    return np.asarray(known, dtype=np.int64)[places]


def _task(numbers: npt.NDArray[np.float64] | None, task: Task) -> tuple[Literal["classes", "values"], str]:
    if task != "auto":
        return task, "set"
    if numbers is None:
        return "classes", "it has words"
    present = numbers[~np.isnan(numbers)]
    if (present != np.trunc(present)).any():
        return "values", "it has fractions"
    distinct = len(np.unique(present))
    if distinct > FEW:
        return "values", f"it has {distinct:,} distinct whole numbers, more than {FEW}"
    return "classes", f"it has {distinct} distinct whole numbers, at most {FEW}"


def _cells(column: pl.Series) -> pl.Series:
    """Return bytes as texts, and lengths of time in seconds; other cells as they are."""
    if isinstance(column.dtype, pl.Duration):
        return as_numbers(column, NumberStyle(), ()).values
    return cast_to_texts(column) if column.dtype == pl.Binary else column


def _texts(column: pl.Series, missing: Sequence[str], source: str) -> pl.Series:
    if column.dtype.is_temporal():
        raise DataError(
            f"{source}: the target {quoted(column.name)} has dates or times, which are neither labels nor numbers: "
            "give the days or hours since one of them"
        )
    texts = as_texts(column, missing)
    if column.dtype.is_float():
        return texts.set(~column.is_finite().fill_null(False), None)
    return texts


def _all_numbers(
    column: pl.Series, texts: pl.Series, missing: Sequence[str], decimal: str | None
) -> npt.NDArray[np.float64] | None:
    """Convert the target to numbers, NaN for missing values, or None; truth values and ``007`` are not numbers."""
    if column.dtype == pl.Boolean:
        return None
    if column.dtype == pl.String:
        present = texts.drop_nulls()
        if present.str.contains(r"^0[0-9]").any() or not present.str.contains(r"[0-9]|^[-+]?(?i:inf)").all():
            return None
    elif isinstance(column.dtype, pl.Categorical | pl.Enum):
        return None
    try:
        style = number_style(texts.drop_nulls(), decimal) if column.dtype == pl.String else number_style(texts.head(0))
    except DataError:
        return None
    numbers = as_numbers(column, style, missing).values
    infinite = ~texts.cast(pl.Float64, strict=False).is_finite().fill_null(True)
    unreadable = (numbers.is_null() & texts.is_not_null() & ~infinite).any()
    return None if unreadable else numbers.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()


def _numbers(column: pl.Series, missing: Sequence[str], decimal: str | None, source: str) -> npt.NDArray[np.float64]:
    texts = _texts(column, missing, source)
    numbers = _all_numbers(column, texts, missing, decimal)
    if numbers is None and column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if numbers is None:
        strange = next((text for text in texts.drop_nulls().to_list() if finite_number(text) is None), "")
        raise DataError(
            f"{source}: the target {quoted(column.name)} has {quoted(strange)}, which is not a number; to "
            "predict labels, let the task be found out, or set it to classes"
        )
    return numbers


def _labels(column: pl.Series, texts: pl.Series, source: str) -> npt.NDArray[Any]:
    """Return typed labels unchanged, and others as spelled in text."""
    if column.dtype == pl.Boolean:
        return column.to_numpy()
    if column.dtype.is_integer() or (column.dtype.is_float() and (column == column.floor()).all()):
        whole = column.cast(pl.Int64, strict=False)
        if whole.has_nulls():
            raise DataError(
                f"{source}: the target {quoted(column.name)} has a label beyond 2**63 - 1; labels go up to that"
            )
        return whole.to_numpy()
    if column.dtype.is_float():
        return np.asarray(texts.to_list())
    typed = typed_labels(texts)
    if typed is not None:
        return typed
    distinct = texts.n_unique()
    if distinct > MAX_CLASSES or (distinct > FEW and distinct > 0.5 * len(texts)):
        raise DataError(
            f"{source}: the target {quoted(column.name)} has {distinct:,} different texts in {len(texts):,} rows, "
            f"such as {quoted(texts[0])}, which are neither classes nor numbers; is it the right column?"
        )
    longest = int(texts.str.len_chars().max() or 0)  # type: ignore[arg-type]
    if longest > MAX_LABEL_LENGTH:
        raise DataError(f"{source}: has a label of {longest:,} characters; at most {MAX_LABEL_LENGTH} are allowed")
    return np.asarray(texts.to_list(), dtype=np.str_)


def _refuse_none(kept: npt.NDArray[np.bool_], names: Sequence[str], source: str) -> None:
    if not kept.any():
        raise DataError(f"{source}: no row has a value of the target {listed(names)}")
