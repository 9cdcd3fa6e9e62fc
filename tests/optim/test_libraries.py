"""The optimisers against those of PyTorch and Optax with the same form: independent oracles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_api_compat import numpy as xp

from tests import networks
from tests.optim.test_trajectories import BATCH, KINDS, STEPS, random_numbers
from tests.oracle import Floats
from xpmlp import optim
from xpmlp._tree import leaves
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters, pure_ops
from xpmlp.optim import Hyperparameters, Optimizer

# torch's Adam adds epsilon after the bias correction, scikit-learn's before: the same only where it is negligible
TINY = 1e-14
LARGEST = 2.5
"""Between the norms of the gradients here: some are clipped."""

DECAY = 0.9
"""Of the averages."""


def clipped(*parts: Any) -> Optimizer:
    return optim.compose(optim.clip_by_global_norm(KINDS, LARGEST), *parts)


OURS: dict[str, Optimizer] = {
    "sgd": optim.sgd(KINDS),
    "momentum": optim.momentum(KINDS),
    "nesterov": optim.momentum(KINDS, nesterov=True),
    "adam": optim.adam(KINDS, epsilon=TINY),
    "adamw": optim.adamw(KINDS, beta_1=0.8, beta_2=0.95, epsilon=0.1),
    "sgd, clipped": clipped(optim.sgd(KINDS)),
    "adamw, clipped": clipped(optim.adamw(KINDS)),
    "adamw, clipped and averaged": clipped(optim.adamw(KINDS), optim.averaged(KINDS, DECAY)),
    "adam, rates by kind": optim.adam(KINDS, {"biases": 0.1}, epsilon=TINY),
    "adamw, rates by kind": optim.adamw(KINDS, {"weights": 3.0}),
}


def mean_gradients(step: int) -> list[DenseParameters]:
    """Gradients of a step, as an optimiser gets them."""
    _, factors = random_numbers(None)
    activations, deltas = ([a[step * BATCH : (step + 1) * BATCH] for a in arrays] for arrays in factors)
    return networks.mean_gradients(pure_ops(xp), activations, deltas, BATCH)


def ours(name: str, weight_decay: float | None) -> list[Floats]:
    """The parameters after all steps, or their averages."""
    parameters, _ = random_numbers(None)
    optimizer = OURS[name]
    state = optimizer.init(parameters)
    for step in range(STEPS):
        settings = Hyperparameters.series(0.05, weight_decay, 0.7, 1)
        parameters, state = optimizer.update(pure_ops(xp), parameters, mean_gradients(step), state, settings)
    return [leaf for _, leaf in leaves(optimizer.evaluated(parameters, state))]


def torch_optimizer(torch: Any, name: str, weights: list[Any], biases: list[Any], weight_decay: float) -> Any:
    """PyTorch's equal, with a group for each kind of parameter."""
    rate = dict.fromkeys(("weights", "biases"), 0.05)
    if "rates" in name:
        rate |= {"adam": {"biases": 0.005}, "adamw": {"weights": 0.15}}[name.partition(",")[0]]
    groups = [
        {"params": weights, "weight_decay": weight_decay, "lr": rate["weights"]},
        {"params": biases, "weight_decay": 0.0, "lr": rate["biases"]},
    ]
    match name.partition(",")[0]:
        case "sgd":
            return torch.optim.SGD(groups)
        case "momentum" | "nesterov" as kind:
            return torch.optim.SGD(groups, momentum=0.7, nesterov=kind == "nesterov")
        case "adam":
            return torch.optim.Adam(groups, eps=TINY)
        case _:
            return torch.optim.AdamW(groups, **({"betas": (0.8, 0.95), "eps": 0.1} if name == "adamw" else {}))


@pytest.mark.parametrize("name", [name for name in OURS if "averaged" not in name])
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_pytorch(get_backend: Callable[..., Backend], name: str, weight_decay: float | None) -> None:
    get_backend("torch")
    import torch

    layers = [[torch.nn.Parameter(torch.tensor(leaf)) for leaf in layer] for layer in random_numbers(None)[0]]
    flat = [leaf for layer in layers for leaf in layer]
    optimizer = torch_optimizer(torch, name, [w for w, _ in layers], [b for _, b in layers], weight_decay or 0.0)
    norms = []
    for step in range(STEPS):
        for leaf, (_, slope) in zip(flat, leaves(mean_gradients(step)), strict=True):
            leaf.grad = torch.tensor(slope)
        if "clipped" in name:
            norms.append(torch.nn.utils.clip_grad_norm_(flat, LARGEST).item())
        optimizer.step()
    assert "clipped" not in name or min(norms) < LARGEST < max(norms)
    # clip_grad_norm_ adds 1e-6 to the norm that it divides by
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if "clipped" in name else {"rtol": 1e-9, "atol": 1e-12}
    for leaf, expected in zip(ours(name, weight_decay), flat, strict=True):
        np.testing.assert_allclose(leaf, expected.detach().numpy(), **tolerance)


def optax_optimizer(optax: Any, name: str, weight_decay: float, mask: Any) -> Any:
    """Optax's equal."""
    penalty = optax.add_decayed_weights(weight_decay, mask)
    match name.partition(",")[0]:
        case "sgd":
            rule = optax.chain(penalty, optax.sgd(0.05))
        case "momentum" | "nesterov" as kind:
            rule = optax.chain(penalty, optax.sgd(0.05, momentum=0.7, nesterov=kind == "nesterov"))
        case "adam":
            rule = optax.chain(penalty, optax.adam(0.05, eps=TINY))
        case _:
            constants = {"b1": 0.8, "b2": 0.95, "eps": 0.1} if name == "adamw" else {}
            rule = optax.adamw(0.05, weight_decay=weight_decay, mask=mask, **constants)
    return optax.chain(optax.clip_by_global_norm(LARGEST), rule) if "clipped" in name else rule


def optax_trajectory(backend: Backend, optax: Any, name: str, weight_decay: float | None) -> Any:
    """The parameters after all steps, or their averages."""
    parameters: Any = backend.parameters(random_numbers(None)[0])
    optimizer = optax_optimizer(optax, name, weight_decay or 0.0, [DenseParameters(True, False)] * len(KINDS))
    state = optimizer.init(parameters)
    mean = optax.ema(DECAY, debias=True)
    memory = mean.init(parameters)
    for step in range(STEPS):
        updates, state = optimizer.update(backend.parameters(mean_gradients(step)), state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        averages, memory = mean.update(parameters, memory)
    return averages if "averaged" in name else parameters


@pytest.mark.parametrize("name", [name for name in OURS if "rates" not in name])
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_optax(get_backend: Callable[..., Backend], name: str, weight_decay: float | None) -> None:
    backend = get_backend("jax", None, "float64")
    optax = pytest.importorskip("optax", reason="Optax is a second oracle, beside PyTorch")
    with backend.session(BATCH):
        wanted = [backend.to_numpy(leaf) for _, leaf in leaves(optax_trajectory(backend, optax, name, weight_decay))]
    for leaf, expected in zip(ours(name, weight_decay), wanted, strict=True):
        np.testing.assert_allclose(leaf, expected, rtol=1e-9, atol=1e-12)
