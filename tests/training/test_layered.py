"""Networks of layers in the whole program: trained, stacked, saved, resumed, evaluated and used for predictions."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import xpmlp
from tests.digits import digits_config
from tests.helpers import cases, relative_difference, tolerance
from tests.training.interrupted import FREQUENT, dies, files, resumed
from tests.training.small import small_problem, train_runs
from tests.training.test_delayed import FEATURES, wide_problem
from tests.training.test_stacked_runs import EXPLODING, OTHER, STEADY
from xpmlp._tree import leaves
from xpmlp.backend import Backend, resolve
from xpmlp.config import ModelConfig, admit_code
from xpmlp.errors import ConfigError
from xpmlp.nn.layers import layers
from xpmlp.storage import load_network
from xpmlp.training import Run, Status, delayed
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.memory import footprint

CENTRING = "tests.nn.layers.test_state:centring"
"""A layer with a running mean."""

RELU = {"kind": "activation", "name": "relu"}
ADAPTERS = {"kind": "adapters", "units": 4, "members": 3}

NETWORKS: dict[str, list[dict[str, Any]]] = {
    "tabular": [
        {"kind": "beside", "layers": [{"kind": "scaling"}, {"kind": "periodic", "waves": 3, "width": 2}]},
        {"kind": "dense", "units": 8},
        {"kind": "normalisation"},
        {"kind": "plus", "layers": [{"kind": "chain", "layers": [RELU, {"kind": "dense", "units": 8}]}]},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "prelu"},
    ],
    "ensemble": [
        {"kind": "repeat", "members": 3},
        {"kind": "adapters", "units": 6, "members": 3, "random": True},
        RELU,
        {"kind": "dense", "units": 4},
    ],
    "state": [{"kind": CENTRING}, {"kind": "dense", "units": 6}, {"kind": CENTRING, "kept": 0.5}, RELU],
    "bins": [{"kind": "piecewise_linear", "bins": 4, "width": 2}, {"kind": "parametric", "name": "gelu"}],
}

every_network = pytest.mark.parametrize("name", NETWORKS)


def problem_of(name: str, backend: Backend | None = None, **train: Any) -> ConfigTrainable:
    problem = small_problem(backend, learning_rate=0.1, **train)
    config = problem.config.model_copy(update={"model": ModelConfig(layers=NETWORKS[name])})
    admit_code(config, allow_code=True)
    return replace(problem, config=config)


def parameters_of(problem: ConfigTrainable, run: Run) -> list[Any]:
    return [problem.backend.to_numpy(leaf) for _, leaf in leaves(run.parameters)]


def largest_difference(problem: ConfigTrainable, one: Run, other: Run) -> float:
    pairs = zip(parameters_of(problem, one), parameters_of(problem, other), strict=True)
    # biases before a running mean is taken off have gradients of zero but for rounding
    apart = [np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-3) for a, b in pairs]
    return max(relative_difference(one.losses, other.losses), *apart)


@pytest.mark.slow
@every_network
@pytest.mark.parametrize("backend", cases("numpy", "torch", "jax", "strict", dtype="float64"), indirect=True)
def test_stacked_runs_equal_each_alone_when_others_leave(name: str, backend: Backend) -> None:
    problem = problem_of(name, backend, segment_steps=3)
    settings = [STEADY, EXPLODING, OTHER]
    runs = train_runs(problem, *settings)
    assert [run.status for run in runs] == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    for run, one in zip(runs, settings, strict=True):
        if run.status is Status.FINISHED:
            assert largest_difference(problem, run, *train_runs(problem, one)) <= 1e-11


@pytest.mark.slow
@every_network
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_all_backends_give_the_same(name: str, optimizer: str, backend: Backend) -> None:
    host = problem_of(name, optimizer=optimizer, epochs=1)
    problem = replace(host, backend=backend)
    one, other = (train_runs(each)[0] for each in (problem, host))
    allowed = tolerance(backend, 1e-3, 1e-10)
    assert relative_difference(one.losses, other.losses) <= allowed


@pytest.mark.parametrize("name", ["tabular", "ensemble", "state"])
def test_it_is_saved_evaluated_and_predicted_with(name: str, tmp_path: Path) -> None:
    config = config_of(name)
    result = xpmlp.train(config, tmp_path / "run", allow_code=True)
    saved = load_network(tmp_path / "run" / "weights.safetensors")
    for (_, one), (_, other) in zip(leaves(saved.parameters), leaves(result.parameters), strict=True):
        np.testing.assert_array_equal(one, other)
    scored = xpmlp.evaluate(tmp_path / "run", "validation", allow_code=True)
    assert scored.score.loss == pytest.approx(result.run.epochs[-1].validation_loss, rel=1e-6)
    data = load_digits(return_X_y=True)
    prediction = xpmlp.predict(tmp_path / "run", data[0][:100], allow_code=True)
    np.testing.assert_allclose(prediction.outputs.sum(axis=1), 1, rtol=1e-5)
    assert (prediction.decided == data[1][:100]).mean() > scored.score.value - 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tabular", "ensemble", "state"])
def test_it_is_resumed_bitwise(name: str, tmp_path: Path) -> None:
    config = config_of(name, FREQUENT)
    xpmlp.train(config, tmp_path / "whole", allow_code=True)
    dies(config, tmp_path / "run", 14 + 9, allow_code=True)
    _, notes = resumed(config, tmp_path / "run", allow_code=True)
    assert any("resuming after" in note for note in notes)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    "changes",
    [
        {"grid.block_width": 3},
        pytest.param({"grid.block_width": 1, "grid.workers": 2}, marks=pytest.mark.slow),  # starts processes
    ],
)
def test_a_grid_gives_what_each_run_gives_alone(changes: dict[str, Any], tmp_path: Path) -> None:
    config = config_of("tabular", {"grid.runs": 3, **changes})
    result = xpmlp.train_grid(config, tmp_path / "grid", allow_code=True)
    assert len(result.networks) == 3
    for number in (0, 2):
        alone = xpmlp.train(config_of("tabular", {"train.seed": number}), tmp_path / f"alone-{number}")
        saved = load_network(tmp_path / "grid" / "runs" / str(number) / "weights.safetensors")
        for (_, one), (_, other) in zip(leaves(saved.parameters), leaves(alone.parameters), strict=True):
            assert relative_difference(one, other) <= 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_network
def test_its_steps_are_compiled(name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="Numba is not installed: nothing is compiled")
    compiling: Any = resolve("numpy", None, dtype).backend
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        plain = resolve("numpy", None, dtype).backend
    problems = [problem_of(name, each, epochs=1) for each in (compiling, plain)]
    (one,), (other,) = map(train_runs, problems)
    programs = [ready for known in compiling._scans._programs.values() for ready in known.values()]
    assert programs
    assert all(program is not None for program in programs)
    assert relative_difference(one.losses, other.losses) <= tolerance(compiling, 1e-3, 1e-10)


@pytest.mark.parametrize(
    "others",
    [
        [{"kind": "repeat", "members": 3}, {"kind": "adapters", "units": 4, "members": 3, "random": True}],
        [{"kind": "dropout", "rate": 0.3}, {"kind": "normalisation"}],
    ],
)
def test_updates_of_a_first_dense_layer_are_delayed(
    others: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, plain = (layered_wide([{"kind": "dense", "units": 6}, *others]) for _ in range(2))
    monkeypatch.setattr(problem.backend, "prefetch", problem.backend.prefetch._replace(most_delayed=25))
    assert problem.training_fold.steps_per_call > 1
    (run,) = train_runs(problem)
    monkeypatch.setattr(delayed, "LEAST_INPUTS", FEATURES + 1)
    (other,) = train_runs(plain)
    assert largest_difference(problem, run, other) <= 1e-12


@pytest.mark.parametrize("first", [{"kind": "scaling"}, {"kind": "dense", "units": 5, "init": "ntk"}])
def test_those_of_any_other_first_layer_are_not(first: dict[str, Any]) -> None:
    problem = layered_wide([first, RELU])
    assert problem.network.after_first is None
    assert problem.training_fold.steps_per_call == 1
    assert problem.rows_at_once == 1


def layered_wide(given: list[dict[str, Any]]) -> ConfigTrainable:
    problem = wide_problem(None)
    changed = ModelConfig(layers=given)
    return replace(problem, config=problem.config.model_copy(update={"model": changed}))


def test_layers_of_single_units_are_no_sizes() -> None:
    scaled = {"kind": "scaling"}
    problem = layered_wide([scaled, {"kind": "dense", "units": 7}, RELU, scaled, {"kind": "dense", "units": 7}])
    assert problem.sizes == [problem.network.n_inputs, 7, 7, problem.network.root.width]


def test_of_layers_side_by_side_the_longest_chain_is_the_sizes() -> None:
    def dense(units: int) -> dict[str, Any]:
        return {"kind": "dense", "units": units}

    chain = {"kind": "chain", "layers": [dense(5), RELU, dense(4), RELU]}
    for kind, width in (("add", 4), ("beside", 8)):
        problem = layered_wide([{"kind": kind, "layers": [dense(4), chain]}, RELU])
        assert problem.sizes == [problem.network.n_inputs, 5, width, problem.network.root.width]
    problem = layered_wide([dense(4), {"kind": "plus", "layers": [chain]}])
    assert problem.sizes == [problem.network.n_inputs, 4, 5, 4, problem.network.root.width]


def test_its_sizes_and_its_memory() -> None:
    problem = problem_of("ensemble")
    # 6 features; adapters of 6 units and dense ones of 4 see three rows of each example, the output of 3, too
    assert problem.sizes == [6, 6, 4, 3]
    assert problem.network.n_outputs_within == 3 * (6 + 4 + 3)
    assert problem.network.n_parameters == (36 + 3 * 3 * 6) + (6 * 4 + 4) + (4 * 3 + 3)
    assert footprint(problem).run > footprint(small_problem(hidden=[6, 4])).run


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"kind": "plus", "layers": [{"kind": "dense", "units": 3}]}], r"layers\[0\], of kind \"plus\", does not"),
        ([{"kind": "scaling"}, {"kind": "embedding"}], r"model\.layers\[1\], of kind \"embedding\", does not fit"),
        ([{"kind": "embedding"}], r"gives no numbers for these data: leave it out, or give codes"),
        ([{"kind": "categories"}, {"kind": "dense", "units": 3}], r"gives no numbers for these data: leave it out"),
        ([ADAPTERS], r'layers\[0\].* 3 rows of each example, not 1: put a layer of kind "repeat" with members = 3'),
        ([{"kind": "repeat", "members": 2}, {"kind": "chain", "layers": [ADAPTERS]}], r"layers\[1\].* rows .* not 2:"),
        ([{"kind": "plus", "layers": [{"kind": "repeat", "members": 2}]}], r"side by side make 1 and 2 rows of each"),
    ],
)
def test_what_only_the_data_tell(given: list[dict[str, Any]], message: str) -> None:
    problem = small_problem()
    config = problem.config.model_copy(update={"model": ModelConfig(layers=given)})
    with pytest.raises(ConfigError, match=message):
        _ = replace(problem, config=config).network


def test_settings_of_a_layer_from_outside_are_checked_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("_given", "_outside"):
        monkeypatch.setattr(layers, known, {})
    config = config_of("state", {"model.layers": [{"kind": CENTRING, "keep": 0.5}]})
    with pytest.raises(ConfigError, match="--allow-code"):
        xpmlp.train(config)
    with pytest.raises(ConfigError, match=r"model\.layers\[0\]\.keep = 0\.5 is no setting of .* did you mean 'kept'\?"):
        xpmlp.train(config, allow_code=True)


def config_of(name: str, changes: dict[str, Any] | None = None) -> Any:
    fixed = {"model.layers": NETWORKS[name], "backend.fused": False, "output.plots": False, "train.epochs": 2}
    overrides = {**fixed, **(changes or {})}
    return digits_config({"train.learning_rate": 0.01, **overrides})
