"""The reference of `xpmlp verify` against finite differences of its own loss, and against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.verify.problems import random_batch, random_parameters
from xpmlp.backend import Backend
from xpmlp.config import TrainConfig
from xpmlp.verify import reference
from xpmlp.verify.formulas import ACTIVATIONS, LOSSES
from xpmlp.verify.quantities import relative_difference
from xpmlp.verify.reference import (
    Batch,
    ReferenceNetwork,
    ReferenceTraining,
    finite_difference_errors,
)

RATE, MASS, STEPS = 0.05, 0.7, 5

SETTINGS: dict[str, tuple[tuple[str, Any], ...]] = {
    "cross_entropy": (("label_smoothing", 0.1),),
    "huber": (("huber_delta", 0.5),),
    "quantile": (("quantiles", (0.2, 0.5, 0.7)),),
}
"""The parameters of losses under test."""


PAIRS = [
    pytest.param(loss, activation, marks=() if loss == "cross_entropy" or activation == "relu" else pytest.mark.slow)
    for loss in LOSSES
    for activation in ACTIVATIONS
]
"""Each loss and each activation; with each other in the whole suite."""


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "activation"), PAIRS)
@pytest.mark.parametrize(("weighted", "dropout"), [(False, False), (True, True)], ids=["plain", "weights and dropout"])
def test_gradients_are_those_of_the_mean_loss(loss: str, activation: str, weighted: bool, dropout: bool) -> None:
    network = ReferenceNetwork((activation, "tanh"), loss, SETTINGS.get(loss, ()))
    batch = random_batch(network, weighted=weighted, dropout=dropout)
    assert np.max(finite_difference_errors(network, random_parameters(), batch)) < 1e-7


def test_finite_differences_see_a_wrong_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "tanh", right._replace(derivative=lambda z: 1.01 * right.derivative(z)))
    network = ReferenceNetwork(("tanh", "sigmoid"), "squared")
    errors = finite_difference_errors(network, random_parameters(), random_batch(network))
    assert max(errors[0]) == pytest.approx(0.0099, rel=0.01)
    assert max(*errors[1], *errors[2]) < 1e-7


def test_places_at_a_kink_are_left_out() -> None:
    network = ReferenceNetwork(("relu",), "squared")
    parameters = [(np.eye(2), np.zeros((1, 2))), (np.ones((2, 1)), np.zeros((1, 1)))]
    at_kink = Batch(np.asarray([[0.0, 1.0]]), np.asarray([[3.0]]))
    assert np.max(finite_difference_errors(network, parameters, at_kink)) < 1e-7


def torch_loss(network: ReferenceNetwork, leaves: list[list[Any]], batch: Batch) -> Any:
    """The mean loss by PyTorch's own functions."""
    import torch
    from torch.nn import functional

    own = {
        "identity": lambda z: z,
        "gelu": lambda z: functional.gelu(z, approximate="tanh"),
        "scaled_tanh": lambda z: 1.7159 * torch.tanh(2 * z / 3),
        "unbent": lambda z: torch.clamp(z, -2.85, 2.85) * (1 - torch.clamp(z, -2.85, 2.85) ** 2 / 9).rsqrt(),
    }
    a = torch.tensor(batch.x)
    for (weights, biases), name in zip(leaves, [*network.hidden, "identity"], strict=True):
        a = own.get(name, getattr(functional, name, None))(a @ weights + biases)
    targets, settings = torch.tensor(batch.targets), dict(network.settings)
    if network.loss == "cross_entropy":
        return functional.cross_entropy(a, targets, **settings)
    by_output = {
        "logistic": functional.binary_cross_entropy_with_logits,
        "squared": lambda o, t, reduction: functional.mse_loss(o, t, reduction=reduction) / 2,
        # without what does not depend on the logits
        "poisson": lambda o, t, reduction: functional.poisson_nll_loss(o, t, reduction=reduction),
        "absolute": functional.l1_loss,
        "huber": lambda o, t, reduction: functional.huber_loss(o, t, reduction, settings["huber_delta"]),
        "quantile": lambda o, t, reduction: torch.stack(
            [torch.maximum(q * (t - o), (q - 1) * (t - o))[:, k] for k, q in enumerate(settings.get("quantiles", ()))]
        ).sum(),
    }[network.loss]
    return by_output(a, targets, reduction="sum") / len(batch.x)


def torch_leaves(parameters: list[reference.ReferenceLayer]) -> list[list[Any]]:
    import torch

    return [[torch.tensor(leaf, requires_grad=True) for leaf in layer] for layer in parameters]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_against_autograd(get_backend: Callable[..., Backend], activation: str, loss: str) -> None:
    get_backend("torch")
    network = ReferenceNetwork((activation, "sigmoid"), loss, SETTINGS.get(loss, ()))
    parameters, batch = random_parameters(), random_batch(network)
    leaves = torch_leaves(parameters)
    torch_loss(network, leaves, batch).backward()
    for layer, wanted in zip(network.passes(parameters, batch).gradients, leaves, strict=True):
        for gradient, leaf in zip(layer, wanted, strict=True):
            assert relative_difference(gradient, leaf.grad.numpy()) < 1e-13


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda torch, groups: torch.optim.SGD(groups, lr=RATE)),
        ("momentum", lambda torch, groups: torch.optim.SGD(groups, lr=RATE, momentum=MASS)),
        ("nesterov", lambda torch, groups: torch.optim.SGD(groups, lr=RATE, momentum=MASS, nesterov=True)),
        # PyTorch adds epsilon after the bias correction, not before: the same where it is negligible
        ("adam", lambda torch, groups: torch.optim.Adam(groups, lr=RATE, eps=1e-14)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_training_against_torch(
    get_backend: Callable[..., Backend], name: Any, make: Callable[..., Any], weight_decay: float
) -> None:
    get_backend("torch")
    import torch

    network = ReferenceNetwork(("sigmoid", "tanh"), "cross_entropy")
    train = TrainConfig(optimizer=name, learning_rate=RATE, momentum=MASS, epsilon=1e-14, weight_decay=weight_decay)
    training, leaves = ReferenceTraining(network, train, random_parameters()), torch_leaves(random_parameters())
    groups = [
        {"params": [layer[0] for layer in leaves], "weight_decay": weight_decay},
        {"params": [layer[1] for layer in leaves]},
    ]
    optimizer = make(torch, groups)
    for step in range(STEPS):
        batch = random_batch(network, seed=step)
        optimizer.zero_grad()
        loss = torch_loss(network, leaves, batch)
        loss.backward()
        optimizer.step()
        assert training.step(batch).loss.mean() == pytest.approx(loss.item(), rel=1e-9)
    for layer, wanted in zip(training.parameters, leaves, strict=True):
        for leaf, tensor in zip(layer, wanted, strict=True):
            assert relative_difference(leaf, tensor.detach().numpy()) < 1e-9


def test_a_step_by_hand() -> None:
    # x = 2, w = 3, b = 1, target 5: o = 7, loss (7 - 5)^2 / 2 = 2, delta 2; dw = 4, db = 2
    network = ReferenceNetwork((), "squared")
    train = TrainConfig(optimizer="sgd", learning_rate=0.1, weight_decay=0.5)
    training = ReferenceTraining(network, train, [(np.asarray([[3.0]]), np.asarray([[1.0]]))])
    result = training.step(Batch(np.asarray([[2.0]]), np.asarray([[5.0]])))
    assert (result.loss.item(), result.deltas[0].item()) == (2.0, 2.0)
    ((weights, biases),) = training.parameters
    assert weights.item() == pytest.approx(3 - 0.1 * (4 + 0.5 * 3))
    assert biases.item() == pytest.approx(1 - 0.1 * 2)


def test_large_logits_stay_finite() -> None:
    network = ReferenceNetwork((), "logistic")
    parameters: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = [
        (np.asarray([[1.0]]), np.asarray([[0.0]]))
    ]
    result = network.passes(parameters, Batch(np.asarray([[-800.0], [800.0]]), np.asarray([[1.0], [0.0]])))
    np.testing.assert_array_equal(result.loss, [800.0, 800.0])
    np.testing.assert_array_equal(result.deltas[0], [[-1.0], [1.0]])
