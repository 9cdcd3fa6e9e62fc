"""A made-up table with missing values and categories, for the recipe for tables."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np

from benchmarks.gpu_round.findings import Surroundings

FEW = {"model.layers": [{"kind": "categories", "width": 2}, {"kind": "dense", "units": 4}], "train.rates": {}}
"""Overrides for a stand-in: the smallest network of its kind, with every parameter at the same rate."""


def table_overrides(surroundings: Surroundings, rows: int) -> dict[str, Any]:
    """Write the table, and return the overrides with which the recipe trains on it.

    Parameters
    ----------
    surroundings : Surroundings
        The table is written to its ``work`` folder.
    rows : int
        Number of rows; a hundred with a stand-in.

    Returns
    -------
    overrides : dict
        Values by dotted key.
    """
    rows = 100 if surroundings.stand_in else rows
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 3))
    shapes, places = generator.integers(0, 4, rows), generator.integers(0, 15, rows)
    score = numbers[:, 0] + np.sin(3 * numbers[:, 1]) + 0.5 * (shapes == 2) + 0.1 * places
    kinds = score + generator.normal(scale=0.5, size=rows) > 0.9
    gaps = generator.random((rows, 3)) < 0.05
    path = surroundings.work / "table.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["a", "b", "c", "shape", "place", "kind"])
        for values, absent, shape, place, kind in zip(numbers, gaps, shapes, places, kinds, strict=True):
            cells = ["" if gap else f"{value:.4f}" for value, gap in zip(values, absent, strict=True)]
            table.writerow([*cells, "abcd"[shape], f"p{place}", "yes" if kind else "no"])
    given = {"data.path": str(path), "data.target": "kind"}
    return given | (FEW if surroundings.stand_in else {})
