"""Twenty steps of every optimiser against scikit-learn's, on every backend, one run and stacked runs."""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from tests.helpers import assert_close, assert_lives_on, tolerance
from tests.networks import kinds_of, mean_gradients, perceptron
from tests.oracle import Floats
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters, Ops
from xpmlp.optim import Hyperparameters, Optimizer, optimizers, sgd

KINDS = kinds_of(2)

OPTIMIZERS: dict[str, Optimizer] = {
    **{name: record.make(KINDS, None) for name, record in optimizers.items() if record.scikit_learn is not None},
    "sgd from factors": sgd(KINDS),
}
"""Those that scikit-learn has, too."""

STEPS, BATCH, WIDTHS = 20, 4, (3, 5, 2)


class Factors(NamedTuple):
    """Factors as of a backward pass: random here, since an optimiser need not know where gradients come from."""

    activations: list[Floats]
    deltas: list[Floats]


class Constants(NamedTuple):
    factors: Factors
    divisor: Any
    hyperparameters: Hyperparameters


def random_numbers(runs: int | None) -> tuple[list[DenseParameters], Factors]:
    """First parameters, and factors ([runs,] examples, width) for all steps."""
    rng = np.random.default_rng(11)
    stack = () if runs is None else (runs,)
    layers = list(itertools.pairwise(WIDTHS))
    examples = (*stack, STEPS * BATCH)
    return (
        [DenseParameters(rng.normal(size=(*stack, a, b)), rng.normal(size=(*stack, 1, b))) for a, b in layers],
        Factors(
            [rng.normal(size=(*examples, width)) for width, _ in layers],
            [rng.normal(size=(*examples, width)) for _, width in layers],
        ),
    )


def numbers(rate: float, decay: float | None, momentum: float, divisor: float) -> Hyperparameters:
    """Of one run, (1, 1) each."""
    return Hyperparameters.series(
        np.full((1, 1), rate), decay and np.full((1, 1), decay), np.full((1, 1), momentum), divisor
    )


def scikit_learn_trajectory(
    name: str, parameters: list[DenseParameters], factors: Factors, divisor: float, settings: Hyperparameters
) -> list[Floats]:
    """Weights and biases after the steps, of one run."""
    values = [leaf.copy() for layer in parameters for leaf in layer]
    if name == "adam":
        optimizer = AdamOptimizer(values, settings.learning_rate.item())
    else:
        mass = 0.0 if name.startswith("sgd") else settings.momentum.item()
        optimizer = SGDOptimizer(values, settings.learning_rate.item(), momentum=mass, nesterov=name == "nesterov")
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        slopes = []
        for weights, a, d in zip(values[::2], factors.activations, factors.deltas, strict=True):
            decay = 0.0 if settings.weight_decay is None else settings.weight_decay
            slopes.append(np.einsum("bi,bo->io", a[rows], d[rows]) / divisor + decay * weights)
            slopes.append(d[rows].sum(axis=0, keepdims=True) / divisor)
        optimizer.update_params(values, slopes)
    return values


def trajectory(
    backend: Backend,
    name: str,
    parameters: list[DenseParameters],
    factors: Factors,
    divisor: Any,
    settings: Hyperparameters,
) -> list[Any]:
    """The same on a backend, folded as training does it."""
    state = backend.parameters(parameters)
    state = (state, OPTIMIZERS[name].init(state))
    on_device = Factors(*([backend.asarray(array, backend.dtype) for array in arrays] for arrays in factors))
    rows = backend.asarray(np.arange(STEPS * BATCH).reshape(STEPS, BATCH), backend.index_dtype)
    constants = Constants(on_device, divisor, backend.parameters(settings))
    (updated, _), _ = backend.scan(step_of(name, backend.ops), state, (rows,), constants)
    return [leaf for layer in updated for leaf in layer]


LAYER = perceptron(random_numbers(None)[0], ["identity"])


@functools.cache
def step_of(name: str, ops: Ops) -> Any:
    """One step function for an optimiser, so that JAX compiles it once for each shape."""
    optimizer = OPTIMIZERS[name]

    def step(state: Any, batch: tuple[Any, ...], constants: Constants) -> Any:
        (rows,) = batch
        activations, deltas = ([ops.xp.take(a, rows, axis=-2) for a in arrays] for arrays in constants.factors)
        if "factors" in name:
            assert optimizer.update_from_factors is not None
            return optimizer.update_from_factors(
                ops, LAYER, *state, list(zip(activations, deltas, strict=False)), constants.hyperparameters
            ), ()
        slopes = mean_gradients(ops, activations, deltas, constants.divisor)
        return optimizer.update(ops, state[0], slopes, state[1], constants.hyperparameters), ()

    return step


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_one_run(backend: Backend, name: str, weight_decay: float | None) -> None:
    parameters, factors = random_numbers(None)
    settings = numbers(0.05, weight_decay, 0.7, BATCH)
    expected = scikit_learn_trajectory(name, parameters, factors, BATCH, settings)
    actual = trajectory(backend, name, parameters, factors, float(BATCH), settings)
    for leaf, wanted in zip(actual, expected, strict=True):
        assert_close(leaf, wanted, tolerance(backend, 2e-6, 1e-12), backend)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_of_the_stacked_runs_has_its_own_settings(backend: Backend, name: str) -> None:
    parameters, factors = random_numbers(3)
    rates, decays, masses, sums = [0.1, 0.03, 0.01], [0.0, 0.1, 0.3], [0.0, 0.5, 0.9], [4.0, 2.0, 7.0]
    rate, decay, mass, divisor = (np.reshape(values, (3, 1, 1)) for values in (rates, decays, masses, sums))
    settings = Hyperparameters.series(rate, decay, mass, divisor)
    actual = trajectory(backend, name, parameters, factors, backend.asarray(divisor, backend.dtype), settings)
    for run in range(3):
        alone = scikit_learn_trajectory(
            name,
            [DenseParameters(weights[run], biases[run]) for weights, biases in parameters],
            Factors(*([array[run] for array in arrays] for arrays in factors)),
            sums[run],
            numbers(rates[run], decays[run], masses[run], sums[run]),
        )
        for leaf, wanted in zip(actual, alone, strict=True):
            assert_close(leaf[run, ...], wanted, tolerance(backend, 2e-6, 1e-12), backend)


@pytest.mark.parametrize("name", optimizers)
def test_the_first_state_is_zero_and_shares_no_memory(backend: Backend, name: str) -> None:
    from xpmlp._tree import leaves

    parameters = backend.parameters(random_numbers(None)[0])
    state = [leaf for _, leaf in leaves(optimizers[name].make(KINDS, None).init(parameters))]
    assert len(state) == {"sgd": 0, "momentum": 4, "nesterov": 4, "adam": 9, "adamw": 9}[name]
    assert len(state) // 4 == optimizers[name].slots
    for leaf in state:
        assert_close(leaf, np.zeros(leaf.shape), 0, backend)
    everything = [leaf for _, leaf in leaves([parameters, state])]
    assert len({id(leaf) for leaf in everything}) == len(everything)
    assert_lives_on(parameters[0].weights, backend)
