"""No hidden transfers: within a fold nothing is read back to the host or moved between devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest

from tests.helpers import assert_lives_on, cases
from tests.networks import kinds_of, passes
from tests.oracle import Problem, random_problem
from xpmlp import nn, optim
from xpmlp._tree import leaves
from xpmlp.backend import Backend
from xpmlp.optim import Hyperparameters

NUMBERS = Hyperparameters.series(*(np.full((1, 1), value) for value in (0.1, 0.01, 0.9)), 2)
HIDDEN = ("sigmoid", "relu", "tanh")


def fold(backend: Backend, problem: Problem, name: str) -> Any:
    """Two steps of training; returns all that comes out of the fold."""
    ops, optimizer = backend.ops, optim.optimizers[name].make(kinds_of(len(problem.parameters)), None)

    def step(state: Any, batch: Any, constants: Any) -> Any:
        (rows,), (x, labels, classes, hyperparameters) = batch, constants
        loss = nn.losses["cross_entropy"]
        targets = loss.encode(ops, ops.xp.take(labels, rows, axis=0), classes, x.dtype)
        inputs = ops.xp.take(x, rows, axis=0)
        done = passes(ops, state[0], inputs, HIDDEN, lambda logits: loss.delta(ops, logits, targets))
        logits = done.activations[-1]
        state = optimizer.update(ops, state[0], done.gradients(float(rows.shape[0])), state[1], hyperparameters)
        return state, (loss.value(ops, logits, targets), loss.decide(ops, logits))

    parameters = backend.parameters(problem.parameters)
    return backend.scan(
        step,
        (parameters, optimizer.init(parameters)),
        (backend.asarray(np.asarray([[0, 3], [1, 2]]), backend.index_dtype),),
        (
            backend.asarray(problem.x, backend.dtype),
            backend.asarray(problem.labels, backend.index_dtype),
            backend.asarray(np.arange(2), backend.index_dtype),
            backend.parameters(NUMBERS),
        ),
    )


@pytest.mark.parametrize("name", optim.optimizers)
@pytest.mark.parametrize("backend", cases("strict"), indirect=True)
def test_nothing_leaves_a_device_that_would_refuse(backend: Backend, name: str) -> None:
    for _, leaf in leaves(fold(backend, random_problem(3), name)):
        assert_lives_on(leaf, backend)


def test_device1_does_refuse(get_backend: Callable[..., Backend]) -> None:
    # so that the test above proves something
    backend = get_backend("strict", "device1")
    array = backend.asarray([1.0, 2.0], backend.dtype)
    with pytest.raises(RuntimeError, match="device"):
        np.asarray(array)
    with pytest.raises(ValueError, match="device"):
        array + get_backend("strict", "cpu").asarray([1.0, 2.0], backend.dtype)


@pytest.mark.parametrize("name", optim.optimizers)
@pytest.mark.parametrize("backend", cases("torch"), indirect=True)
def test_no_tensor_is_read(backend: Backend, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a tensor was read by the host")

    methods = ("item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__")
    for method in methods:
        monkeypatch.setattr(torch.Tensor, method, refuse)
    state, outputs = fold(backend, random_problem(3), name)
    monkeypatch.undo()
    assert np.all(np.isfinite(backend.to_numpy(outputs[0])))
    for _, leaf in leaves(state):
        assert_lives_on(leaf, backend)


def test_outputs_live_on_the_device(backend: Backend) -> None:
    _, (values, decided) = fold(backend, random_problem(3), "sgd")
    for series in (values, decided):
        assert_lives_on(series, backend)
        assert series.shape == (2, 2)
