"""CSV files with the source of every number on the page."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._files import write_text

NumberColumns = dict[str, npt.NDArray[np.float64]]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table, whole or not at all; numbers in full precision, ``None`` as an empty cell."""
    write_text(path, csv_text([columns, *rows]))


def read_csv(path: Path) -> NumberColumns:
    """Read the columns of a table of numbers, each (rows,) float64; an empty cell is NaN."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    table = np.array([[float(cell or "nan") for cell in row] for row in rows]).reshape(len(rows), len(header))
    return {name: table[:, column] for column, name in enumerate(header)}


def by_run(columns: NumberColumns, name: str) -> npt.NDArray[np.float64]:
    """Arrange a column of a table with a row for each run and epoch as (epochs, runs), NaN for a missing row."""
    runs, run = np.unique(columns["run"], return_inverse=True)
    epoch = columns["epoch"].astype(int) - 1
    table = np.full((int(epoch.max()) + 1, len(runs)), np.nan)
    table[epoch, run] = columns[name]
    return table
