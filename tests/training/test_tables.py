"""Trainings on tables: the same predictions on every backend, and the same bits after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xpmlp
from tests.training.interrupted import FREQUENT, dies, files, resumed
from xpmlp import TabularClassifier
from xpmlp._tree import map_leaves
from xpmlp.backend import Backend
from xpmlp.config import Config
from xpmlp.errors import ConfigError, DataError, RunFolderError
from xpmlp.storage import load_network
from xpmlp.training import predict_file, table_prediction
from xpmlp.training.vote import member_of

QUICK = {"train.epochs": 3, "train.folds": 2, "train.batch_size": 32, "output.plots": False, "backend.threads": 1}

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


def table(n: int = 120) -> pl.DataFrame:
    """Numbers with gaps, categories and dates, and what they tell of a kind."""
    random = np.random.default_rng(0)
    size, town = random.normal(size=n).round(3), random.choice([*(f"town {number}" for number in range(12))], n)
    return pl.DataFrame(
        {
            "size": [None if row % 9 == 0 else value for row, value in enumerate(size.tolist())],
            "town": town,
            "seen": [f"2020-{row % 12 + 1:02}-{row % 28 + 1:02}" for row in range(n)],
            "kind": np.where((size > 0) ^ (town < "town 5"), "cat", "dog"),
        }
    )


def table_config(folder: Path, more: Mapping[str, Any] | None = None) -> Config:
    table().write_csv(folder / "pets.csv")
    data = {"data.name": "table", "data.path": str(folder / "pets.csv"), "data.target": "kind"}
    return xpmlp.load_config("xpmlp:table.toml", {**QUICK, **data, **(more or {})})


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    xpmlp.train(table_config(folder), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def fitted() -> TabularClassifier:
    settings = {key: value for key, value in QUICK.items() if key != "output.plots"}
    return TabularClassifier(random_state=0, settings=settings).fit(table().drop("kind"), table()["kind"])


@pytest.mark.parametrize("name", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_run_folder_predicts_the_same_on_every_backend(
    name: str, dtype: str, run_folder: Path, get_backend: Callable[..., Backend]
) -> None:
    get_backend(name, None, dtype)
    rows, at = table().drop("kind"), {"backend.dtype": dtype}
    expected = xpmlp.predict(run_folder, rows, backend="numpy", overrides=at).outputs
    outputs = xpmlp.predict(run_folder, rows, backend=name, overrides=at).outputs
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=TOLERANCES[dtype])
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("name", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_an_estimator_predicts_the_same_on_every_backend(
    name: str, dtype: str, fitted: TabularClassifier, get_backend: Callable[..., Backend]
) -> None:
    get_backend(name, None, dtype)
    rows = table().drop("kind")
    expected = fitted.set_params(backend="numpy", dtype=dtype).predict_proba(rows)
    outputs = fitted.set_params(backend=name, dtype=dtype).predict_proba(rows)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=TOLERANCES[dtype])
    assert np.ptp(expected) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("folds", [None, 2])
def test_killed_and_ended_bitwise_the_same(folds: int | None, tmp_path: Path) -> None:
    config = table_config(tmp_path, {**FREQUENT, "train.folds": folds, "train.batch_size": 8})
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 6)
    _, notes = resumed(config, tmp_path / "run")
    assert any(note.startswith("resuming after ") for note in notes)
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    rows = table().drop("kind")
    one, other = (xpmlp.predict(tmp_path / name, rows).outputs for name in ("run", "whole"))
    np.testing.assert_array_equal(one, other)


def test_kept_columns_stand_beside_predictions_of_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pl.DataFrame({"x": np.arange(60) % 7, "lower": np.arange(60) % 5, "value": 3.5 * (np.arange(60) % 7)})
    rows = rows.with_columns(pl.lit("a").alias("predicted value"))
    rows.write_csv("rows.csv")
    data = {"data.name": "table", "data.path": "rows.csv", "data.target": "value", "train.epochs": 1}
    xpmlp.train(xpmlp.load_config("xpmlp:table-values.toml", {**QUICK, **data}), "run")
    kept = ["value", "lower"]
    predict_file("run", "rows.csv", "kept.csv", keep=kept, interval=0.8)
    predict_file("run", "rows.csv", "plain.csv", interval=0.8)
    written, plain = pl.read_csv("kept.csv"), pl.read_csv("plain.csv")
    assert plain.columns == ["value", "lower", "upper"]
    assert written.columns == [*kept, "predicted value", "predicted lower", "upper"]
    assert written.select(kept).equals(rows.select(kept))
    assert written[:, 2:].rows() == plain.rows()
    monkeypatch.setattr(table_prediction, "TablePredictor", None)  # refused before any prediction
    with pytest.raises(DataError, match="two columns of the output would be called 'predicted value'"):
        predict_file("run", "rows.csv", "kept.csv", keep=["value", "predicted value"])


@pytest.mark.parametrize(
    ("targets", "ends"),
    [
        (["lower"], ["lower lower", "upper"]),
        (["y", "y lower"], ["y y lower", "y lower lower", "y upper", "y lower upper"]),
    ],
)
def test_ends_of_intervals_stand_beside_targets_of_their_name(
    targets: list[str], ends: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pl.DataFrame({"x": np.arange(60) % 7, **{name: 3.5 * (np.arange(60) % 7) for name in targets}})
    rows.write_csv("rows.csv")
    data = {"data.name": "table", "data.path": "rows.csv", "data.target": targets, "train.epochs": 1}
    xpmlp.train(xpmlp.load_config("xpmlp:table-values.toml", {**QUICK, **data}), "run")
    predict_file("run", "rows.csv", "p.csv", interval=0.8)
    written, values = pl.read_csv("p.csv"), xpmlp.predict("run", rows).outputs
    assert written.columns == [*targets, *ends]
    np.testing.assert_allclose(written.select(targets).to_numpy(), values, rtol=1e-6)


def test_kept_columns_of_any_type(run_folder: Path, tmp_path: Path) -> None:
    odd = {"took": [timedelta(hours=1), None], "raw": [b"a", b"\xff"], "at": [time(1), time(2)], "x": [0.5, None]}
    table(2).drop("kind").with_columns(**{name: pl.Series(cells) for name, cells in odd.items()}).with_columns(
        many=pl.Series([[1, 2], [3]])
    ).write_parquet(tmp_path / "rows.parquet")
    predict_file(run_folder, tmp_path / "rows.parquet", tmp_path / "p.csv", keep=list(odd))
    written = pl.read_csv(tmp_path / "p.csv", infer_schema=False).select(*odd).rows()
    assert written == [("PT1H", "a", "01:00:00", "0.5"), (None, "\\xff", "02:00:00", None)]
    with pytest.raises(DataError, match="column 'many' holds values of type List"):
        predict_file(run_folder, tmp_path / "rows.parquet", tmp_path / "p.csv", keep=["many"])


def test_a_table_without_rows_is_refused(run_folder: Path) -> None:
    for predict in (xpmlp.predict, xpmlp.predict_interval):
        with pytest.raises(DataError, match=r"^the table has no rows to predict"):
            predict(run_folder, table(0))


OPEN = {**QUICK, **FREQUENT, "train.epochs": "auto", "train.batch_size": "auto", "train.max_seconds": 1e6}


@pytest.mark.parametrize("rows", [120, 7])
def test_the_same_config_resumes_what_it_leaves_open(rows: int, tmp_path: Path) -> None:
    plain = {"model.layers": [], "model.hidden_layer_sizes": [4], "train.folds": 5, "data.test_fraction": 0.0}
    config = table_config(tmp_path, {**OPEN, **plain})
    table(rows).write_csv(tmp_path / "pets.csv")
    whole = xpmlp.train(config, tmp_path / "whole")
    assert len(whole.run.epochs) == 256
    dies(config, tmp_path / "run", 9)
    with pytest.raises(
        RunFolderError, match=r"epochs = 300, before 256[^\n]*\n  train\.max_seconds = 1000000\.0, before"
    ):
        resumed(config.replaced(train={"epochs": 300}), tmp_path / "run")
    result, notes = resumed(config, tmp_path / "run")
    assert any("of 256" in note for note in notes)
    np.testing.assert_array_equal(result.run.losses, whole.run.losses)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_training_that_went_on_from_a_network_resumes_from_it(run_folder: Path, tmp_path: Path) -> None:
    config = table_config(
        tmp_path, {"train.epochs": 12, "train.segment_steps": 1, "output.checkpoint_every": "2 steps"}
    )
    start = load_network(run_folder / "weights.safetensors")
    table(90).with_columns(size=pl.col("size") + 3).write_csv(tmp_path / "pets.csv")
    xpmlp.train(config, tmp_path / "whole", start=start)
    dies(config, tmp_path / "run", 6, start=start)
    other = start._replace(parameters=map_leaves(lambda array: array + 1, start.parameters))
    with pytest.raises(RunFolderError, match="went on from another network"):
        resumed(config, tmp_path / "run", start=other)
    resumed(xpmlp.load_config(tmp_path / "run" / "config.toml"), tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    "changed",
    [
        {"model.layers": [], "model.hidden_layer_sizes": [7]},
        {"model.linear_skip": True},
        {"train.shared": True, "train.members": 2, "train.folds": None, "train.calibrate": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_layers_than_those_of_the_network_to_continue_from_are_refused(
    changed: dict[str, Any], run_folder: Path, tmp_path: Path
) -> None:
    start = load_network(run_folder / "weights.safetensors")
    if "train.shared" in changed:  # a network of one member
        start = start._replace(network=member_of(start.network), parameters=start.parameters[0])
    config = table_config(tmp_path, {"train.patience": None, "train.best_by": "loss", **changed})
    with pytest.raises(ConfigError, match="has other layers than the config describes: leave \\[model\\]"):
        xpmlp.train(config, tmp_path / "run", start=start)
    assert not (tmp_path / "run" / "config.toml").exists()


@pytest.mark.parametrize("skips", [True, False])
def test_an_open_linear_skip_is_that_of_the_network_to_continue_from(skips: bool, tmp_path: Path) -> None:
    config = table_config(tmp_path, {"train.epochs": 1, "model.linear_skip": skips})
    xpmlp.train(config, tmp_path / "run")
    start = load_network(tmp_path / "run" / "weights.safetensors")
    rows = 20 if skips else 400  # of themselves, too few for a skip, and enough
    table(rows).write_csv(tmp_path / "pets.csv")
    xpmlp.train(config.replaced(model={"linear_skip": "auto"}), tmp_path / "more", start=start)
    assert load_network(tmp_path / "more" / "weights.safetensors").network == start.network
