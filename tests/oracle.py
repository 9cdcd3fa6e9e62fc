"""Networks and their loss in plain NumPy, float64: independent of `xpmlp.nn`, for comparison with it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters, Parameters

Floats = npt.NDArray[np.float64]

FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1),
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "identity": lambda z: z,
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * (np.exp(z) - 1)),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "mish": lambda z: z * np.tanh(np.log(1 + np.exp(z))),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "scaled_tanh": lambda z: 1.7159 * np.tanh(2 * z / 3),
    "unbent": lambda z: np.clip(z, -2.85, 2.85) / np.sqrt(1 - np.clip(z, -2.85, 2.85) ** 2 / 9),
}

WIDTHS = {0: (3, 2), 1: (3, 4, 2), 2: (3, 4, 5, 2), 3: (3, 4, 5, 4, 2)}
"""Layer widths by the number of hidden layers; neighbours differ, so that a forgotten transpose cannot pass."""


class Problem(NamedTuple):
    """A network and a batch, on the host.

    Attributes
    ----------
    parameters : list of (weights ([runs,] n_in, n_out), biases ([runs,] 1, n_out))
    x : ([runs,] batch, n_in)
    labels : ([runs,] batch)
    """

    parameters: list[DenseParameters]
    x: Floats
    labels: npt.NDArray[np.int64]

    @property
    def targets(self) -> Floats:
        """One-hot rows."""
        return np.eye(self.parameters[-1].weights.shape[-1])[self.labels]

    def run(self, index: int) -> Problem:
        """One run of the stack."""
        return Problem(
            [DenseParameters(w[index], b[index]) for w, b in self.parameters], self.x[index], self.labels[index]
        )


def random_problem(hidden_layers: int = 1, batch: int = 5, runs: int | None = None, seed: int = 0) -> Problem:
    """A network without any symmetry, biases included, and a batch for it."""
    rng = np.random.default_rng([seed, hidden_layers, batch, runs or 0])
    stack = () if runs is None else (runs,)
    widths = WIDTHS[hidden_layers]
    parameters = [
        DenseParameters(rng.normal(size=(*stack, n_in, n_out)), rng.normal(size=(*stack, 1, n_out)))
        for n_in, n_out in itertools.pairwise(widths)
    ]
    return Problem(
        parameters, rng.normal(size=(*stack, batch, widths[0])), rng.integers(0, widths[-1], size=(*stack, batch))
    )


def logits(problem: Problem, hidden: Sequence[str]) -> Floats:
    """The output of one network, (batch, n_out)."""
    a = problem.x
    for (weights, biases), name in zip(problem.parameters, [*hidden, "identity"], strict=True):
        a = FUNCTIONS[name](np.einsum("bi,io->bo", a, weights) + biases)
    return a


def mean_loss(problem: Problem, hidden: Sequence[str], sample_weights: Floats | None = None) -> float:
    """The mean of ``-log(probability of the label)`` over the batch of one network."""
    exponentials = np.exp(logits(problem, hidden))
    chosen = exponentials[np.arange(len(problem.labels)), problem.labels]
    return float(np.average(-np.log(chosen / exponentials.sum(axis=1)), weights=sample_weights))


def numerical_gradients(
    problem: Problem, hidden: Sequence[str], sample_weights: Floats | None = None, step: float = 1e-5
) -> list[DenseParameters]:
    """Central differences of `mean_loss` by every parameter of one network."""

    def partial(array: Floats, place: tuple[int, ...]) -> float:
        before = array[place]
        losses = []
        for shifted in (before + step, before - step):
            array[place] = shifted
            losses.append(mean_loss(problem, hidden, sample_weights))
        array[place] = before
        return (losses[0] - losses[1]) / (2 * step)

    def gradient(array: Floats) -> Floats:
        return np.reshape([partial(array, place) for place in np.ndindex(array.shape)], array.shape)

    return [DenseParameters(*map(gradient, layer)) for layer in problem.parameters]


def on(backend: Backend, problem: Problem) -> tuple[Parameters, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A problem's parameters, input and one-hot targets as the backend's arrays."""
    return (
        backend.parameters(problem.parameters),
        backend.asarray(problem.x, backend.dtype),
        backend.asarray(problem.targets, backend.dtype),
    )
