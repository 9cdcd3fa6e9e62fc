"""One network of the recipe for tables beside RealMLP-TD of pytabkit, on PyTorch: ``python -m benchmarks.realmlp``.

Both train RealMLP-TD as published on the same encoded numbers and codes, the training part of the first split: 256
epochs in batches of 256, four fifths of the rows to learn from, the others to choose the epoch by.  Each training is a
process of its own; both take turns.  The time is that of the fit, without imports.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import xpmlp
from benchmarks.machine import headed
from xpmlp._files import write_text
from xpmlp.data.folds import fold_numbers
from xpmlp.data.tables import Encoded, fit_encoding, infer_schema

TABLES = ("hpc_data", "satellite", "ames")

Fit = Callable[[], Any]


def layers_of(activation: str) -> list[dict[str, Any]]:
    """Return the layers of RealMLP-TD."""
    embeddings: list[dict[str, Any]] = [
        {"kind": "periodic", "waves": 16, "width": 3, "deviation": 0.1},
        {"kind": "categories", "width": 8, "one_hot_up_to": 9},
    ]
    hidden: list[dict[str, Any]] = [
        {"kind": "dense", "units": 256},
        {"kind": "parametric", "name": activation},
        {"kind": "dropout", "rate": 0.15},
    ]
    return [{"kind": "beside", "layers": embeddings}, {"kind": "scaling"}, *hidden * 3]


def with_xpmlp(encoded: Encoded, y: npt.NDArray[Any], threads: int, epochs: int) -> Fit:
    values = y.dtype.kind == "f"
    settings = {
        "train.folds": "none",
        "train.epochs": epochs,
        "backend.threads": threads,
        "model.layers": layers_of("mish" if values else "selu"),
        **({"model.linear_skip": False} if values else {"train.best_by": "error", "train.calibrate": False}),
    }
    held_out = fold_numbers(y[:, None] if values else y, 5, seed=0) == 0

    def part(rows: npt.NDArray[np.bool_]) -> Any:
        codes = (encoded.codes[rows],) if encoded.codes.shape[1] else ()
        return encoded.numbers[rows], y[rows], *codes

    x, targets, *codes = part(~held_out)
    data = xpmlp.from_arrays(x, targets, codes=codes[0] if codes else None, validation=part(held_out), values=values)
    config = xpmlp.load_config(f"xpmlp:table{'-values' if values else ''}.toml", settings)
    return lambda: xpmlp.train(config, data=data)


def with_pytabkit(encoded: Encoded, y: npt.NDArray[Any], threads: int, epochs: int) -> Fit:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from pytabkit import (  # type: ignore[import-not-found, unused-ignore]
        RealMLP_TD_Classifier,
        RealMLP_TD_Regressor,
    )

    numbers = [f"n{place}" for place in range(encoded.numbers.shape[1])]
    codes = [f"c{place}" for place in range(encoded.codes.shape[1])]
    frame = pd.DataFrame(encoded.numbers, columns=numbers)
    for name, column in zip(codes, encoded.codes.T, strict=True):
        frame[name] = column.astype(str)
    kind = RealMLP_TD_Regressor if y.dtype.kind == "f" else RealMLP_TD_Classifier
    model = kind(device="cpu", random_state=0, n_threads=threads, n_epochs=epochs)
    return lambda: model.fit(frame, y, cat_col_names=codes)


SIDES: dict[str, Callable[[Encoded, npt.NDArray[Any], int, int], Fit]] = {
    "xpmlp": with_xpmlp,
    "pytabkit": with_pytabkit,
}


def training_part(folder: Path, name: str) -> tuple[Encoded, npt.NDArray[Any]]:
    """Read and encode a table's training part; values are scaled to mean 0 and deviation 1."""
    about = json.loads((folder / "tables.json").read_text(encoding="utf-8"))[name]
    frame = pl.read_parquet(folder / f"{name}.parquet")
    with np.load(folder / "splits.npz") as splits:
        frame = frame[np.setdiff1d(np.arange(len(frame)), splits[f"{name}.1"])]
    target = frame[about["target"]]
    encoded = fit_encoding(frame, infer_schema(frame, about["target"])).encode(frame)
    if about["task"] == "regression":
        values = target.cast(pl.Float64).to_numpy()
        return encoded, (values - values.mean()) / values.std()
    return encoded, np.unique(target.cast(pl.String).to_numpy().astype(str), return_inverse=True)[1]


def seconds_of(side: str, table: str, given: argparse.Namespace) -> float:
    """Train in a new process, and return the seconds of the fit."""
    options = ("--data", given.data, "--threads", given.threads, "--epochs", given.epochs)
    command = [sys.executable, "-m", "benchmarks.realmlp", "--one", side, table, *map(str, options)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both on each table, in turn, and write a table of seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("XPMLP_DATA_DIR", "data")) / "tables")
    parser.add_argument("--only", default=",".join(TABLES), help="tables, joined by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "TABLE"), help="train once here, and print the seconds")
    parser.add_argument("--out", type=Path, help="where to write the table, as Markdown")
    given = parser.parse_args(arguments)
    if given.one is not None:
        side, table = given.one
        encoded, y = training_part(given.data, table)
        with warnings.catch_warnings(action="ignore"):
            fit = SIDES[side](encoded, y, given.threads, given.epochs)
            began = time.perf_counter()
            fit()
        print(time.perf_counter() - began)
        return 0
    lines = [f"| {given.threads} threads | xpmlp, s | pytabkit, s | ratio by round |", "|---|---:|---:|---|"]
    for table in given.only.split(","):
        rounds = [[seconds_of(side, table, given) for side in SIDES] for _ in range(given.rounds)]
        ours, theirs = map(statistics.median, zip(*rounds, strict=True))
        ratios = ", ".join(f"{one / other:.2f}" for one, other in rounds)
        lines.append(f"| {table} | {ours:.1f} | {theirs:.1f} | {ratios} |")
        print(lines[-1], file=sys.stderr)
    text = "\n".join([*lines, ""])
    print(text, end="")
    if given.out is not None:
        command = f"python -m benchmarks.realmlp --threads {given.threads} --epochs {given.epochs}"
        write_text(given.out, headed("One network of the recipe beside RealMLP-TD of pytabkit", command, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
