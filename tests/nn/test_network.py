"""Properties of the passes: stacked runs, per-example gradients, unchanged inputs, errors."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.helpers import assert_close, call, cases, eager, tolerance
from tests.networks import passes, perceptron
from tests.oracle import Problem, logits, on, random_problem
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters

HIDDEN = ("sigmoid", "relu")

BatchResult = tuple[list, list, list[DenseParameters], list[DenseParameters]]


@functools.cache
def both_passes(ops: nn.Ops) -> Callable[..., BatchResult]:
    """A function to activations, deltas, mean gradients and each example's gradients."""

    def both(parameters: nn.Parameters, x: object, targets: object) -> BatchResult:
        done = passes(ops, parameters, x, HIDDEN, lambda logits: nn.cross_entropy(ops, logits, targets)[1])
        return done.activations, done.deltas, done.gradients(targets.shape[-2]), done.per_example()

    return both


def run_both_passes(backend: Backend, problem: Problem) -> BatchResult:
    return call(backend, both_passes(backend.ops), *on(backend, problem))


def test_logits(backend: Backend) -> None:
    problem = random_problem(2)
    activations, *_ = run_both_passes(backend, problem)
    assert [tuple(a.shape) for a in activations] == [(5, 3), (5, 4), (5, 5), (5, 2)]
    assert_close(activations[-1], logits(problem, HIDDEN), tolerance(backend, 1e-6, 1e-14), backend)


def test_stacked_runs_equal_each_alone(backend: Backend) -> None:
    problem = random_problem(2, runs=3)
    stacked = run_both_passes(backend, problem)
    for run in range(3):
        alone = run_both_passes(backend, problem.run(run))
        for of_stack, of_one in zip(stacked, alone, strict=True):
            for several, one in zip(flat(of_stack), flat(of_one), strict=True):
                assert_close(several[run, ...], backend.to_numpy(one), tolerance(backend, 1e-6, 1e-12), backend)


@pytest.mark.parametrize("runs", [None, 3], ids=["one run", "3 runs"])
def test_the_mean_of_per_example_gradients_is_the_gradient(backend: Backend, runs: int | None) -> None:
    *_, mean, each = run_both_passes(backend, random_problem(2, runs=runs))
    for gradient, gradients in zip(mean, each, strict=True):
        for leaf, leaves in zip(gradient, gradients, strict=True):
            assert_close(leaf, backend.to_numpy(leaves).mean(axis=-3), tolerance(backend, 1e-6, 1e-14), backend)


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
def test_each_example_has_the_gradient_that_it_has_alone(backend: Backend) -> None:
    problem = random_problem(2)
    *_, each = run_both_passes(backend, problem)
    alone = problem._replace(x=problem.x[3:4], labels=problem.labels[3:4])
    *_, gradients, _ = run_both_passes(backend, alone)
    for leaves, leaf in zip(flat(each), flat(gradients), strict=True):
        assert_close(leaves[3, ...], backend.to_numpy(leaf), 1e-14, backend)


@eager()
def test_the_passes_leave_their_arguments_alone(backend: Backend) -> None:
    problem = random_problem(2)
    parameters, x, targets = on(backend, problem)
    both_passes(backend.ops)(parameters, x, targets)
    exact = tolerance(backend, 1e-7, 0)
    assert_close(x, problem.x, exact, backend)
    assert_close(targets, problem.targets, 0, backend)
    for leaf, expected in zip(flat(parameters), flat(problem.parameters), strict=True):
        assert_close(leaf, expected, exact, backend)


@pytest.mark.parametrize("hidden", [(), ("relu",), ("relu", "relu", "relu")])
def test_activations_that_do_not_fit_the_layers_are_refused(hidden: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        perceptron(random_problem(2).parameters, hidden)


def flat(arrays: list) -> list:
    """A list of arrays from one of arrays or of layers."""
    return [leaf for item in arrays for leaf in (item if isinstance(item, DenseParameters) else [item])]
