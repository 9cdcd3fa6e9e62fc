"""Loading of a table as a data set: reading, splitting, inference and encoding by the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.format import Request
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.saved import Saved
from xpmlp.data.table_options import TableOptions, Task
from xpmlp.data.tables.cells import as_numbers, as_texts
from xpmlp.data.tables.describing import total_row
from xpmlp.data.tables.encoding import TableEncoding
from xpmlp.data.tables.fitting import fit_encoded
from xpmlp.data.tables.inference import infer_column, infer_schema, read_cells
from xpmlp.data.tables.reading import TableFile, read_table
from xpmlp.data.tables.splitting import Rows, hold_out, rare_classes, rows_to_validate
from xpmlp.data.tables.targets import Target, Targets, class_places, find_targets, fit_target, read_targets
from xpmlp.errors import DataError

MOMENTS = 20
"""Minimum number of distinct times for the rows of one time to stay together in folds."""


class TableModel(Saved):
    """The conversion of a table to inputs and targets, saved beside a network's weights.

    Attributes
    ----------
    encoding : TableEncoding
    target : Target
    """

    called = "a table's encoding"

    encoding: TableEncoding
    target: Target


def load_table(request: Request) -> Dataset:
    """Read a table's file as a data set.

    Raises
    ------
    DataError
        If the file cannot be read, columns are missing, the target is unusable, or the rows cannot be split.
    """
    options, missing, known, source = request.table, request.missing, request.table_model, str(request.path)
    if known is not None:  # which has its columns
        options = options._replace(drop=(), features=None)
    table = read_table(request.path, options.given)
    files = {name: file for name, file in (("test", options.test), ("validation", options.validation)) if file}
    held_out = {name: read_table(file, options.given) for name, file in files.items()}  # parts that are not drawn
    data, notes = table.data, list(table.notes)
    names = find_targets(data.columns, known.target.names if known else request.target, source)
    others = _other_columns(data.columns, names, options, source)
    task: Task = known.target.task if known is not None else options.task
    targets = read_targets(data, names, task, missing, table.decimal, source)
    if not targets.kept.all():
        notes.append(_left_out(targets))
        data = data.filter(pl.Series(targets.kept))
    notes += total_row(data)
    if task == "auto":
        notes.append(f"the target {listed(names)} is {targets.task}: {targets.why}")
    classes, indices = _indices(targets)
    parts, more, groups = _split(data, indices, request, held_out, table.decimal)
    notes += more
    rare = [] if indices is None or (held_out and not request.test_fraction) else rare_classes(indices)
    if rare:
        labels = [str(classes[one]) for one in rare]
        notes.append(f"classes of under 4 rows are in the training part alone: {listed(labels, 3)}")
    groups = None if groups is None else groups[parts["train"]]
    train, encoded = data[parts["train"]], {}
    if known is None:
        leave_out = {options.weights, options.group} - {options.time}
        features = train.select([name for name in others if name not in leave_out])
        if not features.width:
            raise DataError(f"{source}: there is no other column to learn from than the target {listed(names)}")
        schema = infer_schema(features, types=options.types, missing=missing, decimal=table.decimal)
        if not schema.used:
            raise DataError(f"{source}: no column is of use as a feature:\n{schema}")
        _refuse_constant(names, targets, parts["train"], source)
        model = fit_target(names, targets, parts["train"], log=options.log_target, scale=options.scale_target)
        wanted = model.scaled(targets.labels[parts["train"]]) if indices is None else indices[parts["train"]]
        encoding, encoded["train"] = fit_encoded(features, schema, wanted, groups)
        known = TableModel(encoding=encoding, target=model)
    weights = _weights(data, options.weights, missing, table.decimal, source)

    def part(
        name: str, frame: pl.DataFrame, labels: npt.NDArray[Any], places: npt.NDArray[Any] | None, weight: Any
    ) -> Part:
        numbers, codes, *_ = encoded.get(name) or known.encoding.encode(frame, what=str(files.get(name, source)))
        wanted = known.target.scaled(labels) if places is None else places
        return Part(_numbers(numbers), wanted, weight, codes if codes.shape[1] else None)

    made: dict[str, Part] = {}
    for name, rows in parts.items():
        places = None if indices is None else indices[rows]
        weight = None if weights is None else weights[rows]
        made[name] = part(name, data[rows], targets.labels[rows], places, weight)
    for name, one in held_out.items():
        file = str(files[name])
        named = find_targets(one.data.columns, names, file)
        of = read_targets(one.data, named, targets.task, missing, one.decimal, file)
        if not of.kept.all():
            notes.append(f"{file}: {_left_out(of)}")
        places = None if indices is None else class_places(of.labels, classes, file)
        kept = one.data.filter(pl.Series(of.kept))
        made[name] = part(name, kept, of.labels, places, _weights(kept, options.weights, missing, one.decimal, file))
    return Dataset(
        name="table",
        train=made["train"],
        validation=made.get("validation"),
        test=made.get("test"),
        classes=classes,
        preprocessing=Preprocessing(),
        image_shape=None,
        feature_names=known.encoding.number_names or ("none",),
        hashes=table.hashes | {name: next(iter(one.hashes.values())) for name, one in held_out.items()},
        target_names=names if targets.task == "values" else (),
        code_counts=known.encoding.code_counts,
        groups=groups,
        table=known,
        notes=tuple(notes),
    )


def _numbers(numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the numbers of a table, or a column of zeros if it has only categories."""
    return numbers if numbers.shape[1] else np.zeros((len(numbers), 1), dtype=np.float32)


def _indices(targets: Targets) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    if targets.task == "values":
        return np.empty(0, dtype=np.int64), None
    classes, indices = np.unique(targets.labels, return_inverse=True)
    return classes, indices.astype(np.int64)


def _left_out(targets: Targets) -> str:
    return f"{int((~targets.kept).sum()):,} rows without a target are left out"


def _refuse_constant(names: Sequence[str], targets: Targets, rows: Rows, source: str) -> None:
    """Refuse a target with one class, or with one value in the training rows."""
    if targets.task == "classes":
        if (targets.labels == targets.labels[0]).all():
            label = targets.labels[0].item()
            raise DataError(f"{source}: all targets are {label!r}; a classifier needs two classes or more")
        return
    for name, values in zip(names, targets.labels[rows].T, strict=True):
        if (values == values[0]).all():
            said = f"the target {quoted(name)} has one value, {values[0]:g}, in all rows to learn from"
            raise DataError(f"{source}: {said}: there is nothing to learn")


def _other_columns(columns: Sequence[str], names: Sequence[str], options: TableOptions, source: str) -> list[str]:
    """Return the features: the columns wanted, without the targets and those to drop."""
    told = [*options.drop, *(options.features or ()), *filter(None, (options.weights, options.group, options.time))]
    for name in told:
        if name not in columns:
            raise DataError(f"{source}: has no column {quoted(name)}{did_you_mean(name, list(columns))}")
    roles = (("a feature", "features"), ("the group", "group"), ("the weight", "weights"))
    for (role, option), some in zip(roles, (options.features, (options.group,), (options.weights,)), strict=True):
        if twice := {*names} & {*(some or ())}:
            said = f"{listed(sorted(twice))} cannot be {role} and the target"
            raise DataError(f"{source}: {said}: leave it out of --{option}")
    wanted = options.features if options.features is not None else columns
    gone = {*names, *options.drop}
    return [name for name in wanted if name not in gone]


def _split(
    data: pl.DataFrame,
    indices: npt.NDArray[np.int64] | None,
    request: Request,
    held_out: Mapping[str, TableFile],
    decimal: str | None,
) -> tuple[dict[str, Rows], list[str], npt.NDArray[np.int64] | None]:
    """Draw the rows of each part; return them, notes, and the group of each row if rows are to stay together."""
    options, missing = request.table, request.missing
    groups = None if options.group is None else _codes_of(data[options.group], missing)
    times = None if options.time is None else _times(data[options.time], missing, decimal)
    how: dict[str, Any] = {"seed": request.seed, "classes": indices, "groups": groups, "times": times}
    rows, parts, notes = np.arange(data.height), {}, []
    if request.test_fraction > 0 and "test" not in held_out:
        rows, parts["test"] = hold_out(rows, request.test_fraction, **how)
    if request.split != "test" and "validation" not in held_out:
        size = request.validation_size or rows_to_validate(len(rows))
        if not 0 < size < len(rows):
            raise DataError(f"data.validation_size = {request.validation_size} leaves nothing to train on")
        rows, parts["validation"] = hold_out(rows, size / len(rows), **how)
    parts["train"] = rows
    if times is None and groups is None and "test" in parts and data.height <= 10**6:
        twins = _twins(data, parts)
        if twins:
            notes.append(f"{twins:,} rows of the test part are the same as rows to learn from")
    if groups is None and times is not None:
        moments, groups = np.unique(np.nan_to_num(times, nan=-np.inf), return_inverse=True)
        groups = groups if len(moments) >= MOMENTS else None
    return parts, notes, groups


def _twins(data: pl.DataFrame, parts: Mapping[str, Rows]) -> int:
    """Count the test rows that are identical to rows of the other parts."""
    hashed = data.hash_rows(seed=0).to_numpy()
    others = np.concatenate([rows for name, rows in parts.items() if name != "test"])
    return int(np.isin(hashed[parts["test"]], hashed[others]).sum())


def _codes_of(column: pl.Series, missing: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number the groups; a row without one is a group by itself."""
    texts = as_texts(column, missing)
    codes = texts.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy().copy()
    alone = codes < 0
    codes[alone] = codes.max(initial=0) + 1 + np.arange(alone.sum())
    return codes


def _times(column: pl.Series, missing: Sequence[str], decimal: str | None) -> npt.NDArray[np.float64]:
    found = infer_column(column, None, missing, decimal)
    if found.kind not in ("date", "number", "clock", "truth", "id"):
        raise DataError(f"data.time: column {quoted(column.name)} has neither dates nor numbers, but is {found.kind}")
    kind = found if found.kind != "id" else found.model_copy(update={"kind": "number"})
    values, _ = read_cells(column, kind, missing)
    if found.kind == "date":
        values = values.to_physical()
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _weights(
    data: pl.DataFrame, name: str | None, missing: Sequence[str], decimal: str | None, source: str
) -> npt.NDArray[np.float64] | None:
    if name is None:
        return None
    if name not in data.columns:
        raise DataError(f"{source}: has no column {quoted(name)} for the weights{did_you_mean(name, data.columns)}")
    column = infer_column(data[name], None, missing, decimal)
    values = as_numbers(data[name], column.style, missing).values
    weights: npt.NDArray[np.float64] = values.fill_null(np.nan).to_numpy()
    if not (weights >= 0).all() or not weights.any():
        raise DataError(f"{source}: the weights, column {quoted(name)}, have to be numbers of at least 0, none missing")
    return weights
