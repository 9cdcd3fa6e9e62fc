"""The losses of values on the diabetes data: the training agrees with PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from tests.training.small import train_runs, weights_of
from tests.training.test_objectives import problem_of
from xpmlp import from_arrays
from xpmlp.backend import Backend

EPOCHS, RATE, QUANTILES = 200, 0.05, (0.1, 0.5, 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "quantile"])
def test_diabetes(get_backend: Callable[..., Backend], loss: str) -> None:
    get_backend("torch")
    import torch
    from torch.nn import functional

    def of_quantiles(o: Any, t: Any) -> Any:
        level = torch.tensor(QUANTILES, dtype=torch.float64)
        return torch.maximum(level * (t - o), (level - 1) * (t - o)).sum(dim=1).mean()

    losses: dict[str, Callable[[Any, Any], Any]] = {
        "squared": lambda o, t: functional.mse_loss(o, t) / 2,
        "absolute": functional.l1_loss,
        "huber": functional.huber_loss,
        "quantile": of_quantiles,
    }
    x, y = load_diabetes(return_X_y=True)
    x, y = 20 * x, (y - y.mean())[:, None] / y.std()
    train = {"batch_size": len(x), "epochs": EPOCHS, "learning_rate": RATE, "shuffle": False}
    problem = problem_of(None, from_arrays(x, y, values=True), {"loss": loss, "hidden_layer_sizes": [16]}, **train)
    leaves = [
        torch.tensor(leaf.copy(), requires_grad=True) for layer in problem.initial_parameters(0) for leaf in layer
    ]
    (run,) = train_runs(problem)
    inputs, targets = torch.tensor(x), torch.tensor(y)
    values = []
    with torch.enable_grad():
        for _ in range(EPOCHS):
            weights, biases, last, offsets = leaves
            value = losses[loss](torch.tanh(inputs @ weights + biases) @ last + offsets, targets)
            slopes = torch.autograd.grad(value, leaves)
            values.append(value.item())
            leaves = [
                (leaf - RATE * slope).detach().requires_grad_() for leaf, slope in zip(leaves, slopes, strict=True)
            ]
    assert values[-1] < 0.8 * values[0]
    np.testing.assert_allclose([row.train_loss for row in run.epochs], values, rtol=1e-9)
    for ours, theirs in zip(weights_of(problem, run), leaves, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-9)
