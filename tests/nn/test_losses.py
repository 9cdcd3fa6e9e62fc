"""Softmax with cross-entropy: values, stability, sample weights, and the loss's other properties."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from tests.helpers import assert_close, assert_lives_on, call, tolerance
from tests.networks import passes
from tests.oracle import on, random_problem
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters

RNG = np.random.default_rng(5)
LOGITS = {"2-D": 3 * RNG.normal(size=(5, 4)), "3-D": 3 * RNG.normal(size=(3, 5, 4))}
both_shapes = pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)


@both_shapes
def test_values(backend: Backend, logits: np.ndarray) -> None:
    # soft targets: nothing may rely on their being one-hot
    targets = scipy.special.softmax(np.cos(logits), axis=-1)
    o, t = backend.asarray(logits, backend.dtype), backend.asarray(targets, backend.dtype)
    loss, delta = nn.cross_entropy(backend.ops, o, t)
    accuracy = tolerance(backend, 1e-6, 1e-14)
    assert_close(loss, -np.sum(targets * scipy.special.log_softmax(logits, axis=-1), axis=-1), accuracy, backend)
    assert_close(delta, scipy.special.softmax(logits, axis=-1) - targets, accuracy, backend)
    assert_close(
        nn.losses["cross_entropy"].transform(backend.ops, o), scipy.special.softmax(logits, -1), accuracy, backend
    )
    # neither argument was overwritten
    assert_close(o, logits, tolerance(backend, 1e-7, 0), backend)
    assert_close(t, targets, tolerance(backend, 1e-7, 0), backend)


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_logits_give_a_finite_loss_and_gradient(backend: Backend, size: float) -> None:
    # probabilities (1, 0, 0), (1/2, 0, 1/2), (1/3, 1/3, 1/3)
    logits = backend.asarray(size * np.asarray([[1.0, -1, 0], [1, -1, 1], [-1, -1, -1]]), backend.dtype)
    targets = backend.asarray([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]], backend.dtype)
    loss, delta = nn.cross_entropy(backend.ops, logits, targets)
    accuracy = tolerance(backend, 2e-7, 1e-15)
    assert_close(loss, [2 * size, np.log(2), np.log(3)], accuracy, backend)
    assert_close(loss[1:], np.log([2, 3]), accuracy, backend)
    assert_close(delta, [[1, -1, 0], [-1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, -2 / 3]], accuracy, backend)
    assert_close(nn.softmax(backend.ops, logits)[0, :], [1, 0, 0], 0, backend)


def test_huge_logits_through_the_whole_network(backend: Backend) -> None:
    # the first layer's pre-activations are +-1e4 and +-2e4, the logits +-1e4
    layers = [DenseParameters(1e4 * np.asarray([[1.0, -1.0], [0.0, 1.0]]), np.zeros((1, 2)))]
    layers.append(DenseParameters(1e4 * np.asarray([[1.0, -1.0], [-1.0, 1.0]]), np.zeros((1, 2))))
    parameters = backend.parameters(layers)
    x = backend.asarray([[1.0, 0.0], [1.0, 3.0]], backend.dtype)
    targets = backend.asarray([[0.0, 1.0], [1.0, 0.0]], backend.dtype)
    done = passes(
        backend.ops, parameters, x, ["sigmoid"], lambda logits: nn.cross_entropy(backend.ops, logits, targets)[1]
    )
    loss, _ = nn.cross_entropy(backend.ops, done.activations[-1], targets)
    # a = (1, 0): o = (1e4, -1e4) and the target is class 1; a = (1, 1): o = (0, 0)
    assert_close(loss, [2e4, np.log(2)], tolerance(backend, 1e-6, 1e-14), backend)
    for layer in done.gradients(2):
        for leaf in layer:
            assert np.all(np.isfinite(backend.to_numpy(leaf)))


@pytest.mark.parametrize("runs", [None, 3], ids=["one run", "3 runs"])
def test_a_sample_weight_counts_as_that_many_copies(backend: Backend, runs: int | None) -> None:
    problem = random_problem(1, runs=runs)
    counts = np.asarray([2, 0, 1, 3, 1])
    repeated = problem._replace(
        x=np.repeat(problem.x, counts, axis=-2), labels=np.repeat(problem.labels, counts, axis=-1)
    )

    def gradients(parameters: nn.Parameters, x: object, targets: object, weights: object) -> list[DenseParameters]:
        ops = backend.ops
        return passes(
            ops, parameters, x, ["tanh"], lambda logits: nn.cross_entropy(ops, logits, targets, weights)[1]
        ).gradients(7)

    weights = backend.asarray(np.broadcast_to(counts, problem.labels.shape), backend.dtype)
    actual = call(backend, gradients, *on(backend, problem), weights)
    expected = call(backend, gradients, *on(backend, repeated), None)
    for layer, wanted in zip(actual, expected, strict=True):
        for leaf, wanted_leaf in zip(layer, wanted, strict=True):
            assert_close(leaf, backend.to_numpy(wanted_leaf), tolerance(backend, 1e-6, 1e-14), backend)


def test_weighted_loss(backend: Backend) -> None:
    logits, targets = backend.asarray(LOGITS["2-D"], backend.dtype), backend.asarray(np.eye(5, 4), backend.dtype)
    weights = backend.asarray([1.0, 2.0, 0.0, 0.5, 3.0], backend.dtype)
    loss, _ = nn.cross_entropy(backend.ops, logits, targets)
    weighted, _ = nn.cross_entropy(backend.ops, logits, targets, weights)
    assert_close(weighted, backend.to_numpy(loss) * [1.0, 2.0, 0.0, 0.5, 3.0], tolerance(backend, 1e-7, 1e-15), backend)


def test_labels(backend: Backend) -> None:
    loss = nn.losses["cross_entropy"]
    labels = backend.asarray(np.asarray([[2, 0], [1, 1]]), backend.index_dtype)
    classes = backend.asarray(np.arange(3), backend.index_dtype)
    targets = loss.encode(backend.ops, labels, classes, backend.dtype)
    assert_close(targets, np.eye(3)[[[2, 0], [1, 1]]], 0, backend)
    logits = backend.asarray([[[0.0, 1, 2], [0, 1, 2]], [[5, 6, 5], [-1, -2, -3]]], backend.dtype)
    decided = loss.decide(backend.ops, logits)
    assert_lives_on(decided, backend)
    assert backend.to_numpy(decided).tolist() == [[2, 2], [1, 0]]
