"""The recipe for tables, ingredient by ingredient, on tables' training parts: ``python -m benchmarks.tables --ablate``.

A quarter of the training rows of the first split is set aside for scoring; the test part is never read.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from array_api_compat import numpy as numpy_namespace

import xpmlp
from benchmarks.machine import headed
from xpmlp._files import write_text
from xpmlp.data.folds import fold_numbers
from xpmlp.data.tables import fit_encoded, fit_encoding, infer_schema
from xpmlp.nn import criteria, pure_ops
from xpmlp.training.inference import Inference
from xpmlp.training.intervals import Intervals

MOST_ROWS = 9_000
"""Maximum number of rows of the deciding tables."""

ENCODING = "encoding"
"""Name of the changes that are not keys of a config: no statistics of the target, or none of pairs of columns."""

ONE_HELD_OUT = {"train.folds": "none"}

ROWS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "one network, a fifth held out": ONE_HELD_OUT,
    "one network, by the error, no temperature (RealMLP-TD)": {
        **ONE_HELD_OUT,
        "train.best_by": "error",
        "train.calibrate": False,
    },
    "no statistics of the target": {ENCODING: "plain"},
    "no statistics of pairs": {ENCODING: "single columns"},
    "the last epoch": {"train.best_by": "loss"},
    "no temperature": {"train.calibrate": False},
    "by the log-loss, no temperature": {"train.best_by": "log_loss", "train.calibrate": False},
    "by the log-loss, no temperature, no label smoothing": {
        "train.best_by": "log_loss",
        "train.calibrate": False,
        "model.label_smoothing": 0.0,
    },
    "by the error": {"train.best_by": "error"},
    "no label smoothing": {"model.label_smoothing": 0.0},
    "64 epochs": {"train.epochs": 64},
    "three folds": {"train.folds": 3},
    "no weight decay": {"train.weight_decay": 0.0},
}
"""The changes of each row by keys of a config; those that only concern classes are left out for values."""

FOR_CLASSES = ("model.label_smoothing", "train.best_by", "train.calibrate")


COVERAGE = 0.9
"""Coverage of the intervals."""


class Inner(NamedTuple):
    """A table's training part, encoded and split again.

    Attributes
    ----------
    numbers, codes : (n, columns)
    targets : (n,)
        Class indices, or values scaled to mean 0 and deviation 1.
    test : (n,) bool
    """

    numbers: npt.NDArray[Any]
    codes: npt.NDArray[Any]
    targets: npt.NDArray[Any]
    test: npt.NDArray[np.bool_]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train each row on each table, and write a table of their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ablate", action="store_true", required=True, help="the ablation")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("XPMLP_DATA_DIR", "data")) / "tables")
    parser.add_argument("--only", help="tables, joined by commas")
    parser.add_argument("--rows", help="rows of the ablation by their numbers, from 0, joined by commas")
    parser.add_argument(
        "--epochs", type=int, help="epochs of all rows but those that set them; the recipe's by default"
    )
    parser.add_argument("--out", type=Path, help="where to write it, as Markdown")
    given = parser.parse_args(arguments)
    about = json.loads((given.data / "tables.json").read_text(encoding="utf-8"))
    small = [name for name, one in about.items() if one["rows"] < MOST_ROWS]
    names = given.only.split(",") if given.only else sorted(small, key=lambda name: about[name]["rows"])
    rows = list(ROWS) if given.rows is None else [list(ROWS)[int(number)] for number in given.rows.split(",")]
    common = {} if given.epochs is None else {"train.epochs": given.epochs}
    figures: dict[str, dict[str, dict[str, float]]] = {row: {} for row in rows}
    for name in names:
        inners = functools.cache(functools.partial(inner_of, given.data, name, json.dumps(about[name])))
        left_out = FOR_CLASSES if about[name]["task"] == "regression" else ()
        known: dict[str, dict[str, float]] = {}
        for row in rows:
            changes = common | {key: value for key, value in ROWS[row].items() if key not in left_out}
            if (same := repr(changes)) not in known:
                encoding = changes.pop(ENCODING, None)
                known[same] = scores(inners(encoding), changes)
                print(f"{name}: {row}: {known[same]}", file=sys.stderr)
            figures[row][name] = known[same]
    text = as_markdown(figures)
    print(text)
    if given.out is not None:
        command = "python -m benchmarks.tables --ablate" + ("" if given.epochs is None else f" --epochs {given.epochs}")
        write_text(given.out, headed("The recipe for tables, ingredient by ingredient,", command, text))
    return 0


def inner_of(folder: Path, name: str, about_json: str, encoding: str | None = None) -> Inner:
    """Read a table's training part, and encode it as fitted on the rows that are not set aside."""
    about = json.loads(about_json)
    frame = pl.read_parquet(folder / f"{name}.parquet")
    with np.load(folder / "splits.npz") as splits:
        rows = np.setdiff1d(np.arange(len(frame)), splits[f"{name}.1"])
    frame, target = frame[rows], about["target"]
    if about["task"] == "regression":
        targets = frame[target].cast(pl.Float64).to_numpy()
        test = fold_numbers(targets[:, None], 4, seed=0) == 0
        targets = (targets - targets[~test].mean()) / targets[~test].std()
    else:
        _, targets = np.unique(frame[target].cast(pl.String).to_numpy().astype(str), return_inverse=True)
        test = fold_numbers(targets, 4, seed=0) == 0
    kept = frame.filter(~test)
    learned = targets[~test] if about["task"] != "regression" else targets[~test, None]
    schema = infer_schema(kept, target)
    if encoding == "plain":
        encoded = fit_encoding(kept, schema).encode(frame)
    else:
        fitted, training = fit_encoded(kept, schema, learned, pairs=encoding is None)
        encoded = fitted.encode(frame)
        encoded.numbers[~test] = training.numbers
    numbers = encoded.numbers if encoded.numbers.shape[1] else np.zeros((len(frame), 1), np.float32)
    return Inner(numbers, encoded.codes, targets, test)


def scores(inner: Inner, changes: dict[str, Any]) -> dict[str, float]:
    """Train the recipe with some changes, and score it on the rows set aside: error and log-loss, or nRMSE."""
    values, kept = inner.targets.dtype.kind == "f", np.flatnonzero(~inner.test)
    validation = None
    if changes.get("train.folds") == "none":
        held_out = fold_numbers(inner.targets[kept] if not values else inner.targets[kept, None], 5, seed=1) == 0
        validation = examples(inner, kept[held_out])
        kept = kept[~held_out]
    x, y, *codes = examples(inner, kept)
    data = xpmlp.from_arrays(x, y, codes=codes[0] if codes else None, validation=validation, values=values)
    config = xpmlp.load_config(f"xpmlp:table{'-values' if values else ''}.toml", changes)
    started = time.perf_counter()
    result = xpmlp.train(config, data=data)
    seconds = time.perf_counter() - started
    x, y, *codes = examples(inner, np.flatnonzero(inner.test))
    with result.backend.session(1000):
        outputs = Inference(result.network, result.backend).predict(result.parameters, x, *codes)
    outputs = outputs.astype(np.float64)
    if values:
        nrmse = float(np.sqrt(np.mean((outputs[:, 0] - y) ** 2)) / y.std())
        return {"nrmse": nrmse, **interval_figures(result, inner.targets[kept], outputs, y), "seconds": seconds}
    chosen = np.clip(outputs[np.arange(len(y)), y], 1e-15, 1)
    wrong = outputs.argmax(axis=1) != y
    one_hot, equal = (y[:, None] == np.arange(outputs.shape[1])).astype(float), np.full(len(y), 1 / len(y))
    ece = float(criteria["ece"].value(pure_ops(numpy_namespace), outputs[None], one_hot, equal)[0])
    return {"error": float(wrong.mean()), "log_loss": float(-np.log(chosen).mean()), "ece": ece, "seconds": seconds}


def interval_figures(
    result: xpmlp.Result, learned: npt.NDArray[Any], outputs: npt.NDArray[Any], y: npt.NDArray[Any]
) -> dict[str, float]:
    """Return the fraction of values covered by the intervals, and their mean length relative to constant intervals.

    ``learned`` (n,) are the training values, whose out-of-fold residuals give the constant intervals.
    """
    found = (result.sections or {}).get("intervals")
    if found is None or result.out_of_fold is None:
        return {}
    residuals = np.sort(np.abs(learned - result.out_of_fold[:, 0]))
    constant = 2 * residuals[math.ceil((len(residuals) + 1) * COVERAGE) - 1]
    intervals = Intervals.model_validate(found, strict=False)
    lower, upper = intervals.around(outputs[:, :1], COVERAGE)
    covered = float(((lower <= y[:, None]) & (y[:, None] <= upper)).mean())
    return {"covered": covered, "length": float((upper - lower).mean() / constant)}


def examples(inner: Inner, rows: npt.NDArray[Any]) -> Any:
    """Return the numbers and targets of some rows, and their codes if there are any."""
    codes = (inner.codes[rows],) if inner.codes.shape[1] else ()
    return (inner.numbers[rows], inner.targets[rows], *codes)


def as_markdown(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """Format two tables with a line for each row: means, and error / log-loss or nRMSE of each table.

    The means of errors, log-losses and nRMSE are geometric ones of (x + 0.01), the others arithmetic.
    """
    lines = ["| | error | log-loss | nRMSE | ECE | covered | length | seconds |", "|---|" + "---:|" * 7]
    for row, tables in figures.items():
        cells = []
        for key in ("error", "log_loss", "nrmse"):
            found = [one[key] for one in tables.values() if key in one]
            cells.append(f"{math.exp(np.mean(np.log(np.add(found, 0.01)))):.4f}" if found else "")
        for key in ("ece", "covered", "length"):
            found = [one[key] for one in tables.values() if key in one]
            cells.append(f"{np.mean(found):.4f}" if found else "")
        lines.append(f"| {row} | {' | '.join(cells)} | {sum(one['seconds'] for one in tables.values()):.0f} |")
    names = list(next(iter(figures.values())))
    lines += ["", "| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for row, tables in figures.items():
        lines.append(f"| {row} | {' | '.join(as_cell(tables.get(name, {})) for name in names)} |")
    return "\n".join([*lines, ""])


def as_cell(figures: dict[str, float]) -> str:
    """Format error / log-loss, or nRMSE; nothing for a table without this row."""
    found = [f"{figures[key]:.3f}" for key in ("error", "log_loss", "nrmse") if key in figures]
    return " / ".join(found)


if __name__ == "__main__":
    sys.exit(main())
