"""Decisions: thresholds, balance and costs choose classes from the same probabilities, and are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.errors import ConfigError, DataError
from xpmlp.storage import load_network, save_network
from xpmlp.training.decision import Decision, decided_by, saved_decision

RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 2))
WORDS = np.where(X[:, 0] + RNG.normal(size=80) > 1.1, "ill", "well")


def trained(out: Path | None, threshold: Any, y: Any = WORDS, **model: Any) -> xpmlp.Result:
    values = y.dtype.kind == "f"
    config = xpmlp.Config(
        data={"name": "arrays", "split": "test"},
        model={"hidden_layer_sizes": [3], "threshold": threshold, **model},
        train={"epochs": 2, "learning_rate": 0.1},
        output={"plots": False},
    )
    return xpmlp.train(config, out, data=xpmlp.from_arrays(X, y, values=values))


@pytest.mark.parametrize(
    ("threshold", "chosen"),
    [
        (0.2, lambda p: p[:, 1] > 0.2),
        ("balanced", lambda p: p[:, 1] / (WORDS == "well").mean() > p[:, 0] / (WORDS == "ill").mean()),
        ({"ill": 20}, lambda p: p[:, 1] > 20 * p[:, 0]),
        ({"ill": {"well": 5, "ill": 1}, "well": {"ill": 2}}, lambda p: 5 * p[:, 0] < 1 * p[:, 0] + 2 * p[:, 1]),
    ],
)
def test_saved_and_used(threshold: Any, chosen: Any, tmp_path: Path) -> None:
    trained(tmp_path / "run", threshold)
    prediction = xpmlp.predict(tmp_path / "run", X)
    expected = np.where(chosen(prediction.outputs), "well", "ill")
    np.testing.assert_array_equal(prediction.decided, expected)
    assert xpmlp.load_config(tmp_path / "run" / "config.toml").model.threshold == threshold


def test_another_one_for_a_prediction(tmp_path: Path) -> None:
    trained(tmp_path / "run", {"ill": 1e6})
    assert (xpmlp.predict(tmp_path / "run", X).decided == "ill").all()
    plain = xpmlp.predict(tmp_path / "run", X, threshold="none")
    np.testing.assert_array_equal(plain.decided, plain.names[plain.outputs.argmax(axis=1)])
    assert (xpmlp.predict(tmp_path / "run", X, threshold=0.999).decided == "ill").all()
    with pytest.raises(ConfigError, match=r"model\.threshold = best is no rule: give a number or costs"):
        xpmlp.predict(tmp_path / "run", X, threshold="best")
    for ignored, what in (({"codes": X}, "codes are"), ({"allow_missing": True}, "allow_missing is")):
        with pytest.raises(DataError, match=f"{what} for networks that were trained on"):
            xpmlp.predict(tmp_path / "run", X, **ignored)
    with pytest.raises(ConfigError, match="balanced needs the training rows"):
        xpmlp.predict(tmp_path / "run", X, threshold="balanced")


@pytest.mark.parametrize(
    "threshold",
    [
        {"ill": -1},
        {},
        {"ill": float("nan")},
        [1, 2],
        {"ill": "x"},
        {"ill": {"well": {"a": 1}}},
        True,
        1.5,
        np.float32(2),
    ],
)
def test_another_one_is_checked_like_the_configs(threshold: Any, tmp_path: Path) -> None:
    trained(tmp_path / "run", None)
    with pytest.raises(ConfigError, match=r"^model\.threshold = .* is not allowed: give [^\n]*$"):
        xpmlp.predict(tmp_path / "run", X, threshold=threshold)


def test_costs_are_given_by_labels_of_any_type(tmp_path: Path) -> None:
    trained(tmp_path / "run", None, (WORDS == "ill").astype(int))
    assert (xpmlp.predict(tmp_path / "run", X, threshold={1: 1e6}).decided == 1).all()


def test_expected_costs_decide_among_several_classes() -> None:
    p = RNG.dirichlet(np.ones(3), 50)
    costs = RNG.random((3, 3))
    expected = [min(range(3), key=lambda j: sum(row[i] * costs[i, j] for i in range(3))) for row in p]
    assert Decision(costs=tuple(map(tuple, costs.tolist()))).choose(p).tolist() == expected
    np.testing.assert_array_equal(Decision().choose(p), p.argmax(axis=1))


def test_flags_have_a_threshold_each(tmp_path: Path) -> None:
    flags = (X + RNG.normal(size=X.shape) > [0, 1]).astype(float)
    for threshold, expected in ((0.3, [0.3, 0.3]), ("balanced", flags.mean(axis=0))):
        result = trained(None, threshold, flags, loss="logistic")
        assert result.sections is not None
        np.testing.assert_allclose(result.sections["decision"]["thresholds"], expected)
    trained(tmp_path / "run", 0.3, flags, loss="logistic")
    prediction = xpmlp.predict(tmp_path / "run", X)
    np.testing.assert_array_equal(prediction.decided, prediction.outputs > 0.3)


@pytest.mark.parametrize("threshold", [0.3, "balanced", {"ill": 3}])
def test_one_output_chooses_as_two_would(threshold: Any, tmp_path: Path) -> None:
    trained(tmp_path / "run", threshold, loss="logistic")
    prediction = xpmlp.predict(tmp_path / "run", X)
    share = (WORDS == "well").mean()
    weights = [3, 1]
    if not isinstance(threshold, dict):
        weights = {0.3: [0.3, 0.7], "balanced": [1 / (1 - share), 1 / share]}[threshold]
    expected = prediction.names[(prediction.outputs * weights).argmax(axis=1)]
    np.testing.assert_array_equal(prediction.decided, expected)


@pytest.mark.parametrize(
    ("threshold", "y", "message"),
    [
        (0.2, RNG.integers(3, size=80), "is for two classes, and the data have 3"),
        ({"sick": 2}, WORDS, "has a cost for 'sick', which is no class of the data; they are ill, well"),
        ({"ill": {"dead": 2}}, WORDS, r"model\.threshold\.ill has a cost for 'dead'"),
        (0.2, X[:, 1], "is for classes, and not for the loss squared"),
    ],
)
def test_refused(threshold: Any, y: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained(None, threshold, y)


@pytest.mark.parametrize("found", [{"weights": [1.0]}, {"weights": ["a"]}, {"costs": [[1.0, 2.0]]}, {}, {"other": 1}])
def test_a_damaged_one_is_refused(found: Any, tmp_path: Path) -> None:
    trained(tmp_path / "run", 0.2)
    saved = load_network(tmp_path / "run" / "weights.safetensors")
    save_network(tmp_path / "run" / "weights.safetensors", saved._replace(sections={"decision": found}))
    with pytest.raises(DataError, match="decision"):
        xpmlp.predict(tmp_path / "run", X)
    assert saved_decision(decided_by(saved, "none")) is None
