"""Runs for pages: on tables with every kind of column, for classes and values, and on images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xpmlp
from tests.digits import CODED, digits_config

HOSTILE = "<script>alert('1')</script>\"\u202e"
"""A category; nothing of it may be markup."""

ROWS = 400


def table() -> pl.DataFrame:
    """A column of each kind, with gaps; one category is rare."""
    rng = np.random.default_rng(0)
    size, row = rng.normal(size=ROWS).round(3), np.arange(ROWS)
    town = rng.choice(["Ulm", "Bonn", HOSTILE], ROWS)
    town[:5] = "Hamlet"
    phrases = ["red fox", "blue bird sings", "a quiet green frog", "Zürich, der alte Fuchs"]
    return pl.DataFrame(
        {
            "id": [f"r{one * 7919 % 10007}" for one in row],
            "size": [None if one % 9 == 0 else float(value) for one, value in enumerate(size)],
            "town": town,
            "grade": [("low", "middle", "high")[one % 3] if one % 11 else None for one in row],
            "seen": [f"{2018 + one % 3}-{one % 12 + 1:02d}-{one % 28 + 1:02d} {one % 24:02d}:30:00" for one in row],
            "vaccinated": [None if one % 13 == 0 else ("yes", "no")[one % 2] for one in row],
            "at": [f"{one % 24:02d}:{one % 60:02d}" for one in row],
            "breed": [f"breed {one % 13 if size[one] > 0 else one % 7}" for one in row],
            "note": [
                f"{phrases[one % 2 + 2 * bool(size[one] > 0)]} {'abcdefgh'[one % 8] * (one % 5 + 1)}" for one in row
            ],
            "price": (1000 * (size + 5 + 2 * (np.floor(2 * size) % 2))).round(2),  # no smooth function of the size
            "kind": np.where((size > 0) ^ (town == "Ulm"), "cat", "dog"),
        }
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function (name) -> run folder, each trained once, and not to be changed: pets, price or digits."""
    folder = tmp_path_factory.mktemp("runs")
    table().write_csv(folder / "pets.csv")
    common = {"data.path": str(folder / "pets.csv"), "backend.fused": False, "data.types": TYPES, **CODED}
    kinds: dict[str, dict[str, Any]] = {
        "pets": {**common, "data.name": "table", "data.target": "kind", "data.drop": ["price"]},
        "price": {**common, "data.name": "table", "data.target": "price", "data.drop": ["kind"]},
        "quantiles": {
            **common,
            "data.name": "table",
            "data.target": "price",
            "data.drop": ["kind"],
            "model.loss": "quantile",
            "model.quantiles": [0.5, 0.95],
        },
        "flags": {
            **common,
            "data.name": "table",
            "data.target": "kind",
            "data.drop": ["price"],
            "model.loss": "logistic",
        },
        "digits": {"backend.fused": False},
        "narrow": {"backend.fused": False, "model.hidden_layer_sizes": [4], "data.validation_size": 100},
        "reseeded": {"backend.fused": False, "data.seed": 7},
    }

    def trained(name: str) -> Path:
        if not (folder / name).exists():
            xpmlp.train(digits_config(kinds[name]), folder / name)
        return folder / name

    return trained


TYPES = {"grade": "low<middle<high", "note": "text"}
