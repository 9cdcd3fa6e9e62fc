"""The optimisers against ``torch.optim``, where the two have one form: a second oracle, of other authors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_api_compat import numpy as xp

from tests.optim.test_trajectories import BATCH, STEPS, random_numbers
from xpmlp import optim
from xpmlp.backend import Backend
from xpmlp.nn import pure_ops
from xpmlp.optim import Hyperparameters, Optimizer

# torch's Adam adds epsilon after the bias correction, scikit-learn's before: the same only where it is negligible
TINY = 1e-14


@pytest.mark.parametrize(
    ("optimizer", "oracle"),
    [
        (optim.sgd(), lambda torch, p: torch.optim.SGD(p, lr=0.05)),
        (optim.momentum(), lambda torch, p: torch.optim.SGD(p, lr=0.05, momentum=0.7)),
        (optim.momentum(nesterov=True), lambda torch, p: torch.optim.SGD(p, lr=0.05, momentum=0.7, nesterov=True)),
        (optim.adam(epsilon=TINY), lambda torch, p: torch.optim.Adam(p, lr=0.05, eps=TINY)),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_trajectory(
    get_backend: Callable[..., Backend], optimizer: Optimizer, oracle: Any, weight_decay: float | None
) -> None:
    get_backend("torch")
    import torch

    parameters, factors = random_numbers(None)
    theirs = [torch.tensor(leaf, requires_grad=True) for layer in parameters for leaf in layer]
    torch_optimizer = oracle(torch, theirs)
    state, settings = optimizer.init(parameters), Hyperparameters.series(0.05, weight_decay, 0.7, BATCH)
    for step in range(STEPS):
        activations, deltas = ([a[step * BATCH : (step + 1) * BATCH] for a in arrays] for arrays in factors)
        for index, (a, d) in enumerate(zip(activations, deltas, strict=True)):
            weights, biases = theirs[2 * index], theirs[2 * index + 1]
            weights.grad = torch.tensor(a.T @ d / BATCH) + (weight_decay or 0) * weights.detach()
            biases.grad = torch.tensor(d.mean(axis=0, keepdims=True))
        torch_optimizer.step()
        parameters, state = optimizer.update(pure_ops(xp), parameters, state, activations, deltas, BATCH, settings)
    for leaf, wanted in zip((leaf for layer in parameters for leaf in layer), theirs, strict=True):
        np.testing.assert_allclose(leaf, wanted.detach().numpy(), rtol=1e-9, atol=1e-12)
