"""Intervals: their coverage, their widths, and their place in the saved network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import xpmlp
from xpmlp.data.folds import fold_numbers
from xpmlp.data.format import Request
from xpmlp.data.table_options import TableOptions
from xpmlp.data.tables.loading import load_table
from xpmlp.errors import DataError
from xpmlp.storage import load_network, save_network
from xpmlp.training import predict_file, predict_interval
from xpmlp.training.intervals import fit_intervals
from xpmlp.training.vote import notes_on_groups

RNG = np.random.default_rng(8)


def drawn(n: int, growing: float, seed: int = 1) -> tuple[Any, Any]:
    """Predictions (n, 1), and targets whose deviation grows with them."""
    random = np.random.default_rng(seed)
    predictions = random.uniform(0, 3, (n, 1))
    return predictions, predictions + (1 + growing * predictions) * random.normal(size=(n, 1))


def covered(ends: Any, targets: Any) -> Any:
    return (ends[0] <= targets) & (targets <= ends[1])


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("growing", [0.0, 2.0])
def test_as_many_are_covered_as_it_says(growing: float, coverage: float) -> None:
    intervals = fit_intervals(*drawn(2_000, growing))
    assert intervals is not None
    predictions, targets = drawn(20_000, growing, seed=2)
    ends = intervals.around(predictions, coverage)
    assert covered(ends, targets).mean() == pytest.approx(coverage, abs=0.02)
    large = predictions > 2
    assert covered(ends, targets)[large].mean() == pytest.approx(coverage, abs=0.05)
    assert (len(intervals.outputs[0].knots) > 1) == (growing > 0)  # shorter where that pays, else constant
    if coverage == 0.9:
        constant = np.quantile(np.abs(targets - predictions), coverage)
        assert (ends[1] - ends[0]).mean() <= 2 * constant * (0.97 if growing else 1.03)


def test_the_quantile_is_that_of_conformal_prediction() -> None:
    """Of 19 residuals 1, ..., 19 the 18th covers 0.9, as ceil(0.9 * 20) is 18; two outputs are apart."""
    residuals = RNG.permutation(np.arange(1.0, 20.0))
    targets = np.stack([residuals, -10 * residuals], axis=1)
    intervals = fit_intervals(np.zeros((19, 2)), targets)
    assert intervals is not None
    lower, upper = intervals.around(np.asarray([[5.0, 0.0]]), 0.9)
    np.testing.assert_allclose([lower[0], upper[0]], [[-13, -180], [23, 180]])
    with pytest.raises(DataError, match=r"cover 0\.96 need 24 examples to be known by, and there were 19"):
        intervals.around(np.zeros((1, 2)), 0.96)
    with pytest.raises(DataError, match="has to be between 0 and 1"):
        intervals.around(np.zeros((1, 2)), 90)


def test_weights_count() -> None:
    predictions, targets = drawn(150, 0.0)
    weights = RNG.integers(0, 3, 150)
    weighted, repeated = (
        fit_intervals(predictions, targets, weights),
        fit_intervals(np.repeat(predictions, weights, axis=0), np.repeat(targets, weights, axis=0)),
    )
    assert weighted is not None
    assert repeated is not None
    one, other = (intervals.around(np.ones((1, 1)), 0.8) for intervals in (weighted, repeated))
    np.testing.assert_allclose(one, other, rtol=0.1)  # those that are weighted count as fewer
    assert weighted.rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    left_out = np.where(weights[:, None] > 0, predictions, np.nan)
    np.testing.assert_array_equal(one, fit_intervals(left_out, targets, weights).around(np.ones((1, 1)), 0.8))  # type: ignore[union-attr]
    assert fit_intervals(predictions * np.nan, targets) is None


def test_groups_are_in_one_fold() -> None:
    groups = RNG.integers(0, 30, 400)
    numbers = fold_numbers(np.zeros(400, int), 5, 0, groups)
    for group in np.unique(groups):
        assert len(np.unique(numbers[groups == group])) == 1
    assert np.bincount(numbers).min() > 60
    problem = SimpleNamespace(
        dataset=SimpleNamespace(groups=groups % 4), config=SimpleNamespace(train=SimpleNamespace(folds=5))
    )
    (note,) = notes_on_groups(problem)  # type: ignore[arg-type]
    assert "has 4 groups, fewer than train.folds = 5" in note
    few = fold_numbers(np.zeros(400, int), 5, 0, groups % 4)  # of too few groups each is in several
    np.testing.assert_array_equal(few, fold_numbers(np.zeros(400, int), 5, 0))


@pytest.mark.parametrize(("options", "column"), [({"group": "g"}, "g"), ({"time": "t"}, "t"), ({}, None)])
def test_a_tables_groups_and_times_stay_together(options: dict[str, str], column: str | None, tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": RNG.normal(size=200), "g": np.arange(200) % 23, "t": np.arange(200) // 4})
    frame = frame.with_columns(y=pl.col("x") + pl.col("t"))
    frame.write_parquet(tmp_path / "table.parquet")
    request = Request(tmp_path / "table.parquet", "y", split="three-way", table=TableOptions(**options))
    dataset = load_table(request)
    if column is None:
        assert dataset.groups is None
        return
    assert dataset.groups is not None
    assert len(dataset.groups) == len(dataset.train)
    expected = range(10, 23) if column == "g" else (len(dataset.train) // 4,)
    assert len(np.unique(dataset.groups)) in expected


SHORT = {
    "train.epochs": 20,
    "train.batch_size": 32,
    "train.folds": 3,
    "train.learning_rate": 0.02,
    "output.plots": False,
    "backend.threads": 1,
    "backend.fused": False,
}


def table(n: int = 300) -> pl.DataFrame:
    random = np.random.default_rng(3)
    x = random.normal(size=n)
    return pl.DataFrame({"x": x, "noise": random.normal(size=n), "y": np.exp(x + 0.5 * random.normal(size=n))})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("intervals")
    table().write_csv(folder / "table.csv")
    given = {"data.path": str(folder / "table.csv"), "data.target": "y", "data.log_target": True, **SHORT}
    xpmlp.train(xpmlp.load_config("xpmlp:table-values.toml", given), folder / "run")
    return folder


def test_saved_and_used(run: Path) -> None:
    values = xpmlp.predict(run / "run", table()).outputs
    lower, upper = predict_interval(run / "run", table(), 0.8)
    assert (lower > 0).all()  # of a logarithm, which is learned
    assert ((lower < values) & (values < upper)).all()
    assert covered((lower, upper), table()["y"].to_numpy()[:, None]).mean() == pytest.approx(0.8, abs=0.1)
    predict_file(run / "run", run / "table.csv", run / "out.csv", interval=0.8)
    written = pl.read_csv(run / "out.csv")
    assert written.columns == ["y", "lower", "upper"]
    np.testing.assert_allclose(written["upper"], upper[:, 0])
    predict_file(run / "run", run / "table.csv", run / "out.npy", interval=0.8)
    np.testing.assert_allclose(np.load(run / "out.npy")["lower"], lower)
    other = predict_interval(run / "run", table(), 0.8, backend="strict", device="device1")
    np.testing.assert_allclose(other, (lower, upper), rtol=1e-4)


def test_without_folds_by_the_validation_part(run: Path) -> None:
    given = {"data.path": str(run / "table.csv"), "data.target": "y", **SHORT, "train.folds": "none"}
    config = xpmlp.load_config("xpmlp:table-values.toml", {**given, "train.epochs": 2, "data.validation_size": 70})
    result = xpmlp.train(config)
    assert result.sections is not None
    assert result.sections["intervals"]["rows"] == 70


@pytest.mark.parametrize("damage", [{"rows": 0.0}, {"outputs": []}, {"rows": "many"}])
def test_damaged_ones_are_refused(damage: dict[str, Any], run: Path, tmp_path: Path) -> None:
    saved = load_network(run / "run" / "weights.safetensors")
    assert saved.sections is not None
    (tmp_path / "config.toml").write_bytes((run / "run" / "config.toml").read_bytes())
    sections = {**saved.sections, "intervals": {**saved.sections["intervals"], **damage}}
    save_network(tmp_path / "weights.safetensors", saved._replace(sections=sections))
    with pytest.raises(DataError, match="not intervals that xpmlp has saved"):
        predict_interval(tmp_path, table())
    save_network(tmp_path / "weights.safetensors", saved._replace(sections={"table": sections["table"]}))
    with pytest.raises(DataError, match="the network has no intervals: they are of values"):
        predict_interval(tmp_path, table())
