"""Gradients against finite differences, in float64, of a loss written without `xpmlp.nn`."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.helpers import assert_close, call, cases, eager
from tests.networks import passes
from tests.oracle import numerical_gradients, on, random_problem
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters

HIDDEN = [(), *((name,) * depth for depth in (1, 2, 3) for name in nn.activations)]
MIXED = ("tanh", "sigmoid", "relu")
SAMPLE_WEIGHTS = np.asarray([0.5, 2.0, 0.0, 1.0, 3.0])

TOLERANCE = 1e-8
"""Central differences with a step of 1e-5 are off by about its square, 1e-10, times the third derivative."""

STEEP = 100 * TOLERANCE
"""Of what unbends numbers, whose third derivative is in the thousands."""

every_library = pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
one_and_many = pytest.mark.parametrize("runs", [None, 3], ids=["one run", "3 runs"])


@functools.cache
def expected(hidden: tuple[str, ...], runs: int | None, weighted: bool) -> list[DenseParameters]:
    """The numerical gradients, stacked as the problem is."""
    problem = random_problem(len(hidden), runs=runs)
    weights = SAMPLE_WEIGHTS if weighted else None
    if runs is None:
        return numerical_gradients(problem, hidden, weights)
    alone = [numerical_gradients(problem.run(run), hidden, weights) for run in range(runs)]
    return [
        DenseParameters(*(np.stack(leaves) for leaves in zip(*layers, strict=True)))
        for layers in zip(*alone, strict=True)
    ]


# JAX takes as long to compile one of these as the others take for all; it has the next two, and test_autodiff
@eager("float64")
@one_and_many
@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda hidden: ",".join(hidden) or "none")
def test_gradients_of_every_activation_and_depth(backend: Backend, hidden: tuple[str, ...], runs: int | None) -> None:
    check(backend, hidden, runs, weighted=False)


@every_library
@one_and_many
def test_gradients_of_mixed_activations(backend: Backend, runs: int | None) -> None:
    check(backend, MIXED, runs, weighted=False)


@every_library
@one_and_many
def test_gradients_of_weighted_examples(backend: Backend, runs: int | None) -> None:
    check(backend, MIXED, runs, weighted=True)


def check(backend: Backend, hidden: tuple[str, ...], runs: int | None, *, weighted: bool) -> None:
    problem = random_problem(len(hidden), runs=runs)
    weights = np.broadcast_to(SAMPLE_WEIGHTS, problem.labels.shape) if weighted else np.ones(problem.labels.shape)

    def gradients(
        parameters: nn.Parameters, x: object, targets: object, sample_weights: object
    ) -> list[DenseParameters]:
        ops = backend.ops
        done = passes(
            ops, parameters, x, hidden, lambda logits: nn.cross_entropy(ops, logits, targets, sample_weights)[1]
        )
        # one sum for all runs here; a sum for each is in tests/optim
        return done.gradients(float(SAMPLE_WEIGHTS.sum()) if weighted else 5)

    actual = call(backend, gradients, *on(backend, problem), backend.asarray(weights, backend.dtype))
    for layer, wanted in zip(actual, expected(hidden, runs, weighted), strict=True):
        for leaf, wanted_leaf in zip(layer, wanted, strict=True):
            assert_close(leaf, wanted_leaf, STEEP if "unbent" in hidden else TOLERANCE, backend)
