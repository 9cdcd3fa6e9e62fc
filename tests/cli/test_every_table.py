"""Twenty real tables, from Parquet and, unless large, from CSV: trained and predicted on the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from tests.cli.conftest import Run
from xpmlp.data.tables import TableModel
from xpmlp.storage import load_network

FOLDER = Path(os.environ.get("XPMLP_DATA_DIR", ""), "tables")
TABLES = json.loads((FOLDER / "tables.json").read_text()) if (FOLDER / "tables.json").exists() else {}
FILES = [FOLDER / f"{name}.parquet" for name in TABLES] + [
    path for name in TABLES if (path := FOLDER / f"{name}.csv").exists() and path.stat().st_size < 1_500_000
]
"""Larger tables from Parquet alone: a minute for each is too much for what CSV of the others shows."""

SHORT = ("epochs=4", "folds=none", "learning_rate=0.02", "calibrate=false", "best_by=loss")
FEW = [part for one in SHORT for part in ("--set", f"train.{one}")]
FEW += ["--set", "output.plots=false", "--set", "backend.threads=1"]
EPOCHS = {"epa2021": 40, "ames": 20, "german": 40, "chile": 10}
AS_GOOD = {"nass_cds": -0.01, "income": -0.01, "hpc_data": -0.02}
"""How far a training of four epochs may be behind the constant, where that is not 0."""

MOST_ROWS = 6_000
"""Of a table that is trained on, drawn of larger ones."""

ROWS = 500
"""Predicted, in each of five ways."""

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


@pytest.mark.skipif(not TABLES, reason="the tables are not in the folder of XPMLP_DATA_DIR")
@pytest.mark.parametrize("path", [path for path in FILES if path.exists()], ids=lambda path: path.name)
def test_trained_and_predicted(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xpmlp: Run) -> None:
    monkeypatch.chdir(tmp_path)
    about, part = TABLES[path.stem], path
    if path.suffix == ".parquet" and about["rows"] > MOST_ROWS:
        part = tmp_path / path.name
        pl.read_parquet(path).sample(MOST_ROWS, seed=0).write_parquet(part)
    longer = ["--set", f"train.epochs={EPOCHS[path.stem]}"] if path.stem in EPOCHS else []
    done = xpmlp("train", part, "--target", about["target"], "--out", "run", *FEW, *longer)
    assert done.status == 0, done.err
    assert f"is {'values' if about['task'] == 'regression' else 'classes'}: " in done.out
    beside = re.search(r" beside: (\S+) this network, (\S+) a linear model, (\S+) the ", done.out)
    assert beside, done.out
    network, linear, constant = map(float, beside.groups())
    assert network > constant + AS_GOOD.get(path.stem, 0.0)
    assert np.isfinite(linear)

    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    rows = frame[np.load(FOLDER / "splits.npz")[f"{path.stem}.1"][:ROWS]].drop(about["target"])
    encoding = TableModel.from_saved((load_network(Path("run/weights.safetensors")).sections or {})["table"]).encoding
    said, whole = predicted(xpmlp, rows, path.suffix)
    assert len(whole) == rows.height
    turned = predicted(xpmlp, rows.select(rows.columns[::-1]), path.suffix)
    assert turned[0] == said
    np.testing.assert_allclose(turned[1], whole, rtol=1e-4, atol=1e-5)

    words = [one.column.name for one in encoding.columns if one.has_codes and rows[one.column.name].dtype == pl.String]
    if words:
        new = pl.Series(words[0], ["never seen before", *rows[words[0]][1:]])
        said, others = predicted(xpmlp, rows.with_columns(new), path.suffix)
        assert "categories never seen in training: " in said
        np.testing.assert_allclose(others[1:], whole[1:], rtol=1e-4, atol=1e-5)
    gone = encoding.columns[0].column.name
    rows.drop(gone).write_parquet("less.parquet")
    xpmlp("predict", "run", "less.parquet", "-o", "p.csv").assert_refused(f"lacks '{gone}'")
    assert xpmlp("predict", "run", "less.parquet", "-o", "p.csv", "--allow-missing").status == 0
    assert pl.read_csv("p.csv").height == rows.height


def predicted(xpmlp: Run, rows: pl.DataFrame, suffix: str) -> tuple[str, npt.NDArray[np.float64]]:
    """Predict rows from a file of the same kind; what is said of categories never seen, and values or probabilities."""
    name = f"new{suffix}"
    if suffix == ".csv":
        rows.write_csv(name)
    else:
        rows.write_parquet(name)
    done = xpmlp("predict", "run", name, "-o", "p.csv")
    assert done.status == 0, done.err
    written = pl.read_csv("p.csv", infer_schema_length=None)
    return "".join(re.findall("categories never seen in training: .*", done.out)), written[:, -1].to_numpy()
