"""Gradients and a step of SGD against values worked by hand, in the comments."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from tests.helpers import assert_close, call, tolerance
from tests.networks import passes, perceptron
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters, Parameters
from xpmlp.optim import Hyperparameters, sgd

# An asymmetric 2-2-2 network of sigmoids, whose weights make every number a fraction.
#
# x = (1, 2).
# z = x W + b = (1 - 2, 2 - 3) + (1 + ln 3, 1) = (ln 3, 0).
# a = sigmoid(z) = (3/4, 1/2), since sigmoid(ln 3) = 1 / (1 + 1/3).
# o = a V + c = (3/4 4 - 1/2 2, 1/2 2) + (ln 3 - 1, 0) = (1 + ln 3, 1).
# y = softmax(o) = (3, 1) / (3 + 1) = (3/4, 1/4), since e^o is proportional to (3, 1).
W = np.asarray([[1.0, 2.0], [-1.0, -1.5]])
B = np.asarray([[1 + math.log(3), 1.0]])
V = np.asarray([[4.0, 0.0], [-2.0, 2.0]])
C = np.asarray([[math.log(3) - 1, 0.0]])
X = np.asarray([1.0, 2.0])

# The target is class 1, so that the loss is -ln(1/4) = ln 4.
# do = y - (0, 1) = (3/4, -3/4).
# dV = a^T do = [[9/16, -9/16], [3/8, -3/8]], dc = do.
# da = do V^T = (3/4 4 - 3/4 0, -3/4 2 - 3/4 2) = (3, -3).
# dz = da a (1 - a) = (3 3/4 1/4, -3 1/2 1/2) = (9/16, -3/4).
# dW = x^T dz = [[9/16, -3/4], [9/8, -3/2]], db = dz.
GRADIENTS = [
    DenseParameters(np.asarray([[9 / 16, -3 / 4], [9 / 8, -3 / 2]]), np.asarray([[9 / 16, -3 / 4]])),
    DenseParameters(np.asarray([[9 / 16, -9 / 16], [3 / 8, -3 / 8]]), np.asarray([[3 / 4, -3 / 4]])),
]


def factors(
    backend: Backend, labels: list[int], sample_weights: list[float] | None = None
) -> tuple[nn.Parameters, list, list]:
    """The network's parameters, and the factors of its gradients, for a batch of the same x with these labels."""
    parameters = backend.parameters([DenseParameters(W, B), DenseParameters(V, C)])
    x = backend.asarray(np.tile(X, (len(labels), 1)), backend.dtype)
    targets = backend.asarray(np.eye(2)[labels], backend.dtype)
    weights = None if sample_weights is None else backend.asarray(sample_weights, backend.dtype)
    return parameters, *call(backend, both_passes(backend.ops), parameters, x, targets, weights)


@functools.cache
def both_passes(ops: nn.Ops) -> Callable[..., tuple[list, list]]:
    """A function to a sigmoid network's activations and deltas."""

    def both(parameters: nn.Parameters, x: object, targets: object, weights: object) -> tuple[list, list]:
        return passes(
            ops, parameters, x, ["sigmoid"], lambda logits: nn.cross_entropy(ops, logits, targets, weights)[1]
        )[:2]

    return both


def gradients(backend: Backend, activations: list, deltas: list, divisor: float) -> list[DenseParameters]:
    """Means over a batch, from the factors."""
    parameters = [DenseParameters(W, B), DenseParameters(V, C)]
    factors = list(zip(activations[:-1], deltas, strict=True))
    found: list[DenseParameters] = perceptron(parameters, ["sigmoid"]).gradients(backend.ops, factors, divisor)
    return found


def assert_gradients(backend: Backend, found: list[DenseParameters], factor: float) -> None:
    for layer, expected in zip(found, GRADIENTS, strict=True):
        for actual, wanted in zip(layer, expected, strict=True):
            assert_close(actual, factor * wanted, tolerance(backend, 1e-6, 1e-14), backend)


def test_forward_and_loss(backend: Backend) -> None:
    parameters = backend.parameters([DenseParameters(W, B), DenseParameters(V, C)])
    x = backend.asarray(X[None, :], backend.dtype)
    activations = passes(backend.ops, parameters, x, ["sigmoid"], lambda logits: logits).activations
    accuracy = tolerance(backend, 1e-6, 1e-15)
    assert activations[0] is x
    assert_close(activations[1], [[3 / 4, 1 / 2]], accuracy, backend)
    assert_close(activations[2], [[1 + math.log(3), 1]], accuracy, backend)
    loss, delta = nn.cross_entropy(backend.ops, activations[2], backend.asarray([[0.0, 1.0]], backend.dtype))
    assert_close(loss, [math.log(4)], accuracy, backend)
    assert_close(delta, [[3 / 4, -3 / 4]], accuracy, backend)
    assert_close(nn.softmax(backend.ops, activations[2]), [[3 / 4, 1 / 4]], accuracy, backend)


def test_gradients_of_one_example(backend: Backend) -> None:
    _, activations, deltas = factors(backend, [1])
    assert_gradients(backend, gradients(backend, activations, deltas, 1), 1)


def test_gradients_of_a_batch_are_a_mean(backend: Backend) -> None:
    # For class 0, do = y - (1, 0) = (-1/4, 1/4): minus a third of what it is for class 1, and all that follows is
    # linear in do.  The mean of the two is (1 - 1/3) / 2 = 1/3 of the gradients above.
    _, activations, deltas = factors(backend, [1, 0])
    assert_gradients(backend, gradients(backend, activations, deltas, 2), 1 / 3)


def test_gradients_of_weighted_examples(backend: Backend) -> None:
    # With weights 2 and 3: (2 - 3/3) / (2 + 3) = 1/5.
    _, activations, deltas = factors(backend, [1, 0], [2.0, 3.0])
    assert_gradients(backend, gradients(backend, activations, deltas, 5), 1 / 5)


def test_a_step_of_sgd(backend: Backend) -> None:
    # Learning rate 1: the parameters less the gradients.
    parameters, activations, deltas = factors(backend, [1])
    optimizer = sgd(perceptron(parameters, ["sigmoid"]).kinds)
    layer, pairs = perceptron(parameters, ["sigmoid"]), list(zip(activations[:-1], deltas, strict=True))
    slopes, one = layer.gradients(backend.ops, pairs, 1), np.ones((1, 1))
    numbers = backend.parameters(Hyperparameters.series(one, None, one, 1))
    by_gradients, _ = optimizer.update(backend.ops, backend.copy(parameters), slopes, (), numbers)
    assert_step(backend, by_gradients)
    assert optimizer.update_from_factors is not None
    by_factors, _ = optimizer.update_from_factors(backend.ops, layer, parameters, (), pairs, numbers)
    assert_step(backend, by_factors)


def assert_step(backend: Backend, parameters: Parameters) -> None:
    first, second = parameters
    accuracy = tolerance(backend, 1e-6, 1e-14)
    assert_close(first.weights, [[7 / 16, 11 / 4], [-17 / 8, 0]], accuracy, backend)
    assert_close(first.biases, [[7 / 16 + math.log(3), 7 / 4]], accuracy, backend)
    assert_close(second.weights, [[55 / 16, 9 / 16], [-19 / 8, 19 / 8]], accuracy, backend)
    assert_close(second.biases, [[math.log(3) - 7 / 4, 3 / 4]], accuracy, backend)


def test_the_courseworks_network_has_a_first_layer_gradient_of_zero(backend: Backend) -> None:
    # x = (1, -1): every z_j = 1 + 1 = 2 and a_j = sigmoid(2) = 0.8808; o_0 = o_1, so y = (1/2, 1/2).
    # The target is class 0: do = (-1/2, 1/2), dc = do, and each row of dV is 0.8808 do = (-0.4404, 0.4404).
    # da_j = -1/2 V_j0 + 1/2 V_j1 = 0, because the columns of V are equal.  Nothing reaches the first layer: whatever
    # error its gradient had would be multiplied by zero, so this network cannot catch one; the one above can.
    parameters = backend.parameters(
        [
            DenseParameters(np.asarray([[1, 1, 1], [-1, -1, -1]]), np.zeros((1, 3))),
            DenseParameters(np.asarray([[1, 1], [-1, -1], [-1, -1]]), np.zeros((1, 2))),
        ]
    )
    x, target = backend.asarray([[1.0, -1.0]], backend.dtype), backend.asarray([[1.0, 0.0]], backend.dtype)
    first, second = gradients(backend, *call(backend, both_passes(backend.ops), parameters, x, target, None), 1)
    assert_close(second.weights, [[-0.4404, 0.4404]] * 3, 1e-4, backend)
    assert_close(second.biases, [[-0.5, 0.5]], 1e-6, backend)
    assert_close(first.weights, np.zeros((2, 3)), 0, backend)
    assert_close(first.biases, np.zeros((1, 3)), 0, backend)
