"""The pieces of an optimiser: steps worked by hand, and stacks of runs with the results of single runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, tolerance
from tests.optim.test_trajectories import KINDS, random_numbers
from xpmlp import optim
from xpmlp._tree import leaves, map_leaves
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters
from xpmlp.nn.layers import chain, dense
from xpmlp.optim import Hyperparameters, Optimizer, Piece, optimizers

ONE = [DenseParameters("weights", "biases")]
"""The kinds of one layer's parameters."""


def numbers(backend: Backend, weights: Any, biases: Any) -> Any:
    """One layer's parameters or gradients: a row of weights, and a bias."""
    return backend.parameters([DenseParameters(np.asarray([weights], float), np.asarray([[biases]], float))])


def step(backend: Backend, optimizer: Optimizer, gradients: Any, *, weight_decay: float | None = None) -> Any:
    """The parameters (1, 2; 4) after a step at the rate 0.5."""
    parameters = numbers(backend, [1, 2], 4)
    settings = Hyperparameters.series(0.5, weight_decay, 0.9, 1)
    updated, _ = optimizer.update(backend.ops, parameters, gradients, optimizer.init(parameters), settings)
    return updated


def assert_layer(backend: Backend, layer: Any, weights: list[float], bias: float) -> None:
    accuracy = tolerance(backend, 1e-6, 1e-14)
    assert_close(layer.weights, [weights], accuracy, backend)
    assert_close(layer.biases, [[bias]], accuracy, backend)


@pytest.mark.parametrize(("largest", "factor"), [(6.5, 0.5), (13.0, 1.0), (100.0, 1.0)])
def test_clipping_by_hand(backend: Backend, largest: float, factor: float) -> None:
    # the norm of (3, 4; 12) is 13
    clipped = optim.compose(optim.clip_by_global_norm(ONE, largest), optim.sgd(ONE))
    (layer,) = step(backend, clipped, numbers(backend, [3, 4], 12))
    assert_layer(backend, layer, [1 - 1.5 * factor, 2 - 2 * factor], 4 - 6 * factor)


def test_a_gradient_of_zero_is_not_divided_by_its_norm(backend: Backend) -> None:
    clipped = optim.compose(optim.clip_by_global_norm(ONE, 1.0), optim.sgd(ONE))
    (layer,) = step(backend, clipped, numbers(backend, [0, 0], 0))
    assert_layer(backend, layer, [1, 2], 4)


def test_what_is_not_finite_stays_so(backend: Backend) -> None:
    clipped = optim.compose(optim.clip_by_global_norm(ONE, 1.0), optim.sgd(ONE))
    with np.errstate(all="ignore"):
        (layer,) = step(backend, clipped, numbers(backend, [np.nan, 0], 0))
        assert np.isnan(backend.to_numpy(layer.weights)).all()
        (layer,) = step(backend, clipped, numbers(backend, [np.inf, 0], 0))
        assert np.isnan(backend.to_numpy(layer.weights)[0, 0])


@pytest.mark.parametrize("make", [optim.sgd, optim.adamw])
def test_decay_needs_no_more_than_the_rate_and_the_decay(make: Any, backend: Backend) -> None:
    optimizer, layer = make(ONE), chain(dense(1))(2)
    results = []
    for settings in (Hyperparameters(0.5, 0.4), Hyperparameters.series(0.5, 0.4, 0.9, 1)):
        settings = settings._replace(descent=backend.asarray(-0.5, backend.dtype))
        parameters, slopes = (
            backend.parameters([DenseParameters(np.asarray(weights, float), np.asarray([[bias]], float))])
            for weights, bias in (([[1], [2]], 4), ([[3], [4]], 12))
        )
        state = optimizer.init(parameters)
        if optimizer.update_from_factors is None:
            updated, _ = optimizer.update(backend.ops, parameters, slopes, state, settings)
        else:  # an example (3, 4) whose output has the derivative 1
            factors = [backend.parameters([(np.asarray([[3.0, 4.0]]), np.asarray([[1.0]]))])[0]]
            updated, _ = optimizer.update_from_factors(backend.ops, layer, parameters, state, factors, settings)
        results.append(updated[0])
    (weights, biases), (expected, offsets) = results
    np.testing.assert_array_equal(*map(backend.to_numpy, (weights, expected)))
    np.testing.assert_array_equal(*map(backend.to_numpy, (biases, offsets)))


def test_decay_by_hand(backend: Backend) -> None:
    # the penalty: 0.4 (1, 2) is added to the gradient (3, 4); decoupled: (1, 2) times 1 - 0.5 * 0.4 = 0.8 first
    rule = optim.sgd(ONE)._replace(update_from_factors=None)
    gradients = [3, 4], 12
    (layer,) = step(backend, rule, numbers(backend, *gradients), weight_decay=0.4)
    assert_layer(backend, layer, [1 - 0.5 * 3.4, 2 - 0.5 * 4.8], 4 - 6)
    plain = Optimizer(lambda parameters: (), lambda ops, parameters, gradients, *_: (parameters, ()))
    decoupled = optim.compose(optim.decoupled_decay(ONE), plain)
    (layer,) = step(backend, decoupled, numbers(backend, *gradients), weight_decay=0.4)
    assert_layer(backend, layer, [0.8, 1.6], 4)
    decoupled = optim.compose(optim.decoupled_decay(ONE, {"weights": 0.5}), plain)
    (layer,) = step(backend, decoupled, numbers(backend, *gradients), weight_decay=0.4)
    assert_layer(backend, layer, [0.9, 1.8], 4)


@pytest.mark.parametrize("name", optimizers)
def test_a_rate_by_kind_is_another_rate_for_these_parameters(backend: Backend, name: str) -> None:
    record, gradients = optimizers[name], ([3, 4], 12)
    (scaled,) = step(backend, record.make(ONE, {"biases": 0.25}), numbers(backend, *gradients), weight_decay=0.4)
    (plain,) = step(backend, record.make(ONE, {}), numbers(backend, *gradients), weight_decay=0.4)
    for leaf, same in zip((scaled.weights, scaled.biases), (plain.weights, plain.biases), strict=True):
        factor = 1 if leaf is scaled.weights else 0.25
        before = np.asarray([[1, 2]] if factor == 1 else [[4]])
        wanted = before + factor * (backend.to_numpy(same).astype(float) - before)
        assert_close(leaf, wanted, tolerance(backend, 1e-6, 1e-12), backend)


def test_the_average_by_hand(backend: Backend) -> None:
    # w = 4, 0, -4 after the three steps; with weights 1/4, 1/2, 1 in the end (4/4 - 4) / (7/4) = -12/7
    optimizer = optim.compose(optim.sgd(ONE), optim.averaged(ONE, 0.5))
    parameters = numbers(backend, [8, 8], 8)
    state, averages = optimizer.init(parameters), []
    for _ in range(3):
        gradients = numbers(backend, [8, 8], 8)
        parameters, state = optimizer.update(backend.ops, parameters, gradients, state, Hyperparameters(0.5))
        averages.append(backend.to_numpy(optimizer.evaluated(parameters, state)[0].biases).item())
    assert averages == pytest.approx([4, 4 / 3, -12 / 7], rel=tolerance(backend, 1e-6, 1e-13))
    assert_layer(backend, parameters[0], [-4, -4], -4)


def test_without_averaging_the_parameters_are_evaluated(backend: Backend) -> None:
    parameters = numbers(backend, [8, 8], 8)
    for record in optimizers.values():
        optimizer = record.make(ONE, None)
        assert optimizer.evaluated(parameters, optimizer.init(parameters)) is parameters


@pytest.mark.parametrize("name", optimizers)
def test_a_state_of_a_layer_is_put_in_its_place(backend: Backend, name: str) -> None:
    kinds = [DenseParameters("weights", "state")]
    rule = optimizers[name].make(kinds, None)
    optimizer = optim.compose(optim.clip_by_global_norm(kinds, 2.5), rule, optim.averaged(kinds, 0.9))
    parameters = numbers(backend, [1, 2], 4)
    settings, state = Hyperparameters.series(0.5, 0.1, 0.9, 1), optimizer.init(parameters)
    for value in (7, 9):
        gradients = numbers(backend, [3, 4], value)
        parameters, state = optimizer.update(backend.ops, parameters, gradients, state, settings)
        for layer in (parameters[0], optimizer.evaluated(parameters, state)[0]):
            assert_close(layer.biases, [[value]], 0, backend)
    # the norm that is clipped is that of (3, 4)
    alone = optim.compose(optim.clip_by_global_norm(ONE, 2.5), optimizers[name].make(ONE, None))
    (expected,) = step(backend, alone, numbers(backend, [3, 4], 0), weight_decay=0.1)
    (first,) = step(backend, optimizer, numbers(backend, [3, 4], 7), weight_decay=0.1)
    assert_close(first.weights, backend.to_numpy(expected.weights), tolerance(backend, 1e-6, 1e-14), backend)


def everything(name: str) -> Optimizer:
    """An optimiser with all pieces."""
    rule = optimizers[name].make(KINDS, {"biases": 0.3})
    return optim.compose(optim.clip_by_global_norm(KINDS, 2.0), rule, optim.averaged(KINDS, 0.8))


@pytest.mark.slow
@pytest.mark.parametrize("name", optimizers)
def test_stacked_runs_are_clipped_and_averaged_as_each_alone(backend: Backend, name: str) -> None:
    optimizer, rng = everything(name), np.random.default_rng(2)
    scales = np.reshape([0.01, 1.0, 10.0], (3, 1, 1))  # of the gradients: not clipped, perhaps, and always
    start = random_numbers(3)[0]
    slopes = [map_leaves(lambda leaf: scales * rng.normal(size=leaf.shape), start) for _ in range(4)]

    def trajectory(parameters: Any, gradients: Any, settings: Hyperparameters) -> Any:
        parameters = backend.parameters(parameters)
        state = optimizer.init(parameters)
        for one in gradients:
            parameters, state = optimizer.update(backend.ops, parameters, backend.parameters(one), state, settings)
        return [leaf for _, leaf in leaves([parameters, optimizer.evaluated(parameters, state)])]

    rates, decays, masses = ([0.1, 0.03, 0.01], [0.0, 0.1, 0.3], [0.0, 0.5, 0.9])
    columns = (backend.asarray(np.reshape(one, (3, 1, 1)), backend.dtype) for one in (rates, decays, masses))
    stacked = trajectory(start, slopes, Hyperparameters.series(*columns, 1))
    for run in range(3):
        own = Hyperparameters.series(rates[run], decays[run], masses[run], 1)
        chosen = [map_leaves(lambda leaf, run=run: leaf[run], tree) for tree in (start, *slopes)]
        for leaf, wanted in zip(stacked, trajectory(chosen[0], chosen[1:], own), strict=True):
            assert_close(leaf[run, ...], backend.to_numpy(wanted), tolerance(backend, 1e-5, 1e-12), backend)


@pytest.mark.parametrize("name", optimizers)
def test_the_state_shares_no_memory(backend: Backend, name: str) -> None:
    parameters = backend.parameters(random_numbers(None)[0])
    optimizer = everything(name)
    state = optimizer.init(parameters)
    gradients = backend.parameters(random_numbers(None)[0])
    for _ in range(2):
        everyone = [leaf for _, leaf in leaves([parameters, state])]
        assert (
            len({id(leaf) for leaf in everyone})
            == len(everyone)
            == 4 * (2 + optimizers[name].slots) + 1 + (name in ("adam", "adamw"))
        )
        parameters, state = optimizer.update(
            backend.ops, parameters, gradients, state, Hyperparameters.series(0.1, 0.1, 0.9, 1)
        )


def test_the_state_of_a_single_part_is_as_it_is() -> None:
    rule = Optimizer(lambda parameters: ["rule"], lambda *_: ([], ["rule"]))
    nothing = Piece(lambda ops, parameters, gradients, state, _: (parameters, gradients, state))
    keeping = nothing._replace(init=lambda parameters: "piece")
    assert optim.compose(nothing, rule).init([]) == ["rule"]
    assert optim.compose(keeping, nothing, rule).init([]) == ["piece", ["rule"]]
    assert optim.compose(keeping, nothing, rule).update(*[[]] * 3, ["a", "b"], None) == ([], ["a", ["rule"]])  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", [0, 2])
def test_an_optimiser_has_one_rule(rules: int) -> None:
    with pytest.raises(ValueError, match=rf"pieces and one rule, and there are {rules} rules"):
        optim.compose(optim.clip_by_global_norm(ONE, 1.0), *[optim.sgd(ONE)] * rules)
