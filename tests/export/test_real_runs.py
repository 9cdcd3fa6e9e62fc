"""Exported runs on real data: both forms give NumPy's numbers on the run's test part, for every layer."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import xpmlp
from tests.exported import expected
from xpmlp.data import Part
from xpmlp.data.tables import TableModel
from xpmlp.export.run import export_run
from xpmlp.export.tree import KINDS, LayerNode, layer_tree
from xpmlp.storage import run_folder
from xpmlp.training.evaluation import data_for
from xpmlp.training.table_prediction import table_model

Array = npt.NDArray[Any]

FOLDER = Path(os.environ.get("XPMLP_DATA_DIR", ""), "tables")
TABLES = json.loads((FOLDER / "tables.json").read_text()) if (FOLDER / "tables.json").exists() else {}

CODED = {"kind": "categories", "width": 4, "one_hot_up_to": 9}
DENSE, TANH = {"kind": "dense", "units": 24}, {"kind": "activation", "name": "tanh"}
INPUT = {"kind": "beside", "layers": [{"kind": "activation", "name": "identity"}, CODED]}
BINS = {"kind": "beside", "layers": [{"kind": "piecewise_linear", "bins": 8, "width": 2}, CODED]}
INNER = {"kind": "chain", "layers": [{"kind": "normalisation"}, DENSE, {"kind": "activation", "name": "gelu"}]}
BLOCK = {"kind": "plus", "layers": [INNER]}
BATCH_ENSEMBLE = [BINS, {"kind": "repeat", "members": 3}, {"kind": "adapters", "units": 24, "members": 3}, TANH]


class Case(NamedTuple):
    """A run: the shipped config that it extends, how it differs, and layers that it has."""

    base: str
    settings: dict[str, Any]
    kinds: set[str]


RECIPE = {"vote", "beside", "periodic", "one_hot", "embedding", "scaling", "parametric", "dropout"}

CASES = {
    "mnist": Case("mnist", {"train.epochs": 1}, {"chain", "dense", "activation"}),
    "german": Case("table", {"train.epochs": 6, "train.folds": 2}, RECIPE),
    "chile": Case("quickstart", {"model.layers": BATCH_ENSEMBLE}, {"piecewise_linear", "repeat", "adapters"}),
    "wa_churn": Case(
        "quickstart",
        {"model.layers": [INPUT, {"kind": "add", "layers": [DENSE, DENSE]}, TANH], "model.loss": "logistic"},
        {"add"},
    ),
    "ames": Case(
        "table-values", {"train.folds": 2, "data.log_target": True}, RECIPE - {"dropout"} | {"piecewise_linear"}
    ),
    "epa2021": Case(
        "quickstart",
        {"model.layers": [INPUT, DENSE, BLOCK], "model.loss": "quantile", "data.drop": ["carline"]},  # hashed words
        {"plus", "normalisation"},
    ),
}

QUICK = {"train.epochs": 2, "output.plots": False, "backend.fused": False}


def test_the_runs_have_every_layer() -> None:
    assert set().union(*(case.kinds for case in CASES.values())) == KINDS


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("name", CASES)
def test_the_outputs_on_the_test_part_are_numpys(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    if name != "mnist" and not TABLES:
        pytest.skip("the tables are not in the folder of XPMLP_DATA_DIR")
    run = trained(name, tmp_path / name)
    config, saved = run_folder.read(run)
    assert kinds(layer_tree(saved.network, saved.parameters)) >= CASES[name].kinds
    part, model = data_for(config, saved).test, table_model(saved)
    assert part is not None
    wanted = expected(saved, saved.preprocessing.apply(part.features), part.codes)
    if model is not None and model.target.task == "values":
        wanted = model.target.unscaled(wanted)

    rows = part.features if model is None else rows_of(pl.read_parquet(FOLDER / f"{name}.parquet"), model, part)
    predicted = xpmlp.predict(run, rows, overrides={"backend.dtype": "float64"})
    assert_close(predicted.outputs[:, -wanted.shape[1] :], wanted)  # of two classes with one output it has both

    (file,) = export_run(run, "onnx", out=tmp_path / "net.onnx").files
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    *label, found = session.run(None, raw_inputs(session, rows))
    assert_close(found[:, -wanted.shape[1] :], wanted)
    if label:
        assert (label[0] == predicted.decided).mean() > 0.999  # either of two that are as probable

    _, code = export_run(run, "torch", out=tmp_path / "net.safetensors").files
    codes = () if part.codes is None else (torch.asarray(part.codes.astype(np.int64)),)
    assert_close(runpy.run_path(str(code))["outputs"](torch.asarray(part.features), *codes).numpy(), wanted)


def trained(name: str, folder: Path) -> Path:
    """The folder of a short run on a data set."""
    case, settings = CASES[name], dict(QUICK)
    if name in TABLES:
        path, target = str(FOLDER / f"{name}.parquet"), TABLES[name]["target"]
        settings |= {"data.name": "table", "data.path": path, "data.target": target}
    xpmlp.train(xpmlp.load_config(f"xpmlp:{case.base}.toml", settings | case.settings), folder)
    return folder


def assert_close(found: Array, wanted: Array) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def rows_of(frame: pl.DataFrame, model: TableModel, part: Part) -> pl.DataFrame:
    """The raw rows of an encoded part, each found by its encoding."""
    encoded = model.encoding.encode(frame)
    places = {key: place for place, key in enumerate(keys(encoded.numbers, encoded.codes))}
    return frame[[places[key] for key in keys(part.features, part.codes)]]


def keys(numbers: Array, codes: Array | None) -> Iterator[bytes]:
    codes = np.empty((len(numbers), 0)) if codes is None else codes
    return (row.tobytes() + code.astype(np.int64).tobytes() for row, code in zip(numbers, codes, strict=True))


def raw_inputs(session: Any, rows: Any) -> dict[str, Array]:
    """The inputs of a model for raw rows, as docs/deploy.md has them."""
    if not isinstance(rows, pl.DataFrame):
        return {"features": rows.astype(np.float64)}
    inputs = {}
    for column in session.get_inputs():
        cells = rows[column.name]
        if column.type == "tensor(string)":
            cells = cells.cast(pl.String).str.strip_chars().fill_null("")
        elif cells.dtype.is_temporal():
            cells = cells.dt.timestamp("ms") / 1000
        else:
            cells = cells.cast(pl.Float64)
        inputs[column.name] = cells.to_numpy()[:, None]
    return inputs


def kinds(node: LayerNode) -> set[str]:
    return {node.kind}.union(*map(kinds, node.layers))
