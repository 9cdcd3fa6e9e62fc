"""Gradients against automatic differentiation in PyTorch and JAX, with their own losses and activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, call, cases
from tests.networks import passes
from tests.oracle import Problem, on, random_problem
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters

HIDDEN = [(), ("sigmoid",), ("relu", "tanh"), ("tanh", "identity", "sigmoid")]


def torch_gradients(problem: Problem, hidden: Sequence[str]) -> list[DenseParameters]:
    import torch

    functions = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda z: z}
    with torch.enable_grad():
        leaves = [[torch.tensor(leaf, requires_grad=True) for leaf in layer] for layer in problem.parameters]
        a = torch.tensor(problem.x)
        for (weights, biases), name in zip(leaves, [*hidden, "identity"], strict=True):
            a = functions[name](torch.nn.functional.linear(a, weights.T, biases[0]))
        torch.nn.functional.cross_entropy(a, torch.tensor(problem.labels)).backward()
    return [DenseParameters(*(leaf.grad.numpy() for leaf in layer)) for layer in leaves]


def jax_gradients(problem: Problem, hidden: Sequence[str]) -> list[DenseParameters]:
    import jax
    import jax.numpy as jnp

    functions = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "identity": lambda z: z}

    def loss(parameters: list[DenseParameters], x: Any, labels: Any) -> Any:
        for (weights, biases), name in zip(parameters, [*hidden, "identity"], strict=True):
            x = functions[name](jnp.dot(x, weights) + biases)
        return -jnp.mean(jax.nn.log_softmax(x)[jnp.arange(labels.shape[0]), labels])

    with jax.enable_x64(True):
        result = jax.jit(jax.grad(loss))(list(problem.parameters), problem.x, problem.labels)
        return [DenseParameters(*map(np.asarray, layer)) for layer in result]


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda hidden: ",".join(hidden) or "none")
@pytest.mark.parametrize(
    ("backend", "automatic"),
    [
        *(pytest.param(*case.values, torch_gradients, id=str(case.id)) for case in cases("torch", dtype="float64")),
        *(pytest.param(*case.values, jax_gradients, id=str(case.id)) for case in cases("jax", dtype="float64")),
    ],
    indirect=["backend"],
)
def test_gradients(backend: Backend, automatic: Any, hidden: tuple[str, ...]) -> None:
    problem = random_problem(len(hidden), seed=1)

    def gradients(parameters: nn.Parameters, x: Any, targets: Any) -> list[DenseParameters]:
        ops = backend.ops
        done = passes(ops, parameters, x, hidden, lambda logits: nn.cross_entropy(ops, logits, targets)[1])
        return done.gradients(x.shape[0])

    actual = call(backend, gradients, *on(backend, problem))
    for layer, expected in zip(actual, automatic(problem, hidden), strict=True):
        for leaf, wanted in zip(layer, expected, strict=True):
            assert_close(leaf, wanted, 1e-13, backend)
