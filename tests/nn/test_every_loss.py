"""All losses: values and derivatives against independent ones, extreme logits, decisions and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from sklearn.metrics import r2_score

from tests.helpers import assert_close, cases, tolerance
from xpmlp import nn
from xpmlp.backend import Backend

RNG = np.random.default_rng(11)
SHAPES = {"2-D": (6, 4), "3-D": (3, 6, 4)}
LOGITS = {name: 2 * RNG.normal(size=shape) for name, shape in SHAPES.items()}
TARGETS = {
    "cross_entropy": {name: np.eye(4)[RNG.integers(0, 4, shape[:-1])] for name, shape in SHAPES.items()},
    "logistic": {name: RNG.integers(0, 2, shape).astype(float) for name, shape in SHAPES.items()},
    "squared": {name: RNG.normal(size=shape) for name, shape in SHAPES.items()},
    "poisson": {name: RNG.poisson(1.5, shape).astype(float) for name, shape in SHAPES.items()},
}


def oracle(name: str, o: np.ndarray[Any, Any], t: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The loss of each example as scipy has it."""
    match name:
        case "cross_entropy":
            each = -t * scipy.special.log_softmax(o, axis=-1)
        case "logistic":
            each = -t * scipy.special.log_expit(o) - (1 - t) * scipy.special.log_expit(-o)
        case "squared":
            each = scipy.special.huber(1e9, o - t)
        case _:
            each = scipy.special.xlogy(t, t) - t * o - t + np.exp(o)
    total: np.ndarray[Any, Any] = each.sum(axis=-1)
    return total


every_loss = pytest.mark.parametrize("name", nn.losses)
both_shapes = pytest.mark.parametrize("shape", SHAPES)


@every_loss
@both_shapes
def test_value_and_derivative(backend: Backend, name: str, shape: str) -> None:
    logits, targets, loss = LOGITS[shape], TARGETS[name][shape], nn.losses[name]
    o, t = backend.asarray(logits, backend.dtype), backend.asarray(targets, backend.dtype)
    # rows sum to one for softmax, so each logit is shifted by itself
    size = 1e-5
    slopes = [
        (oracle(name, logits + shift, targets) - oracle(name, logits - shift, targets)) / (2 * size)
        for shift in size * np.eye(4)
    ]
    assert_close(
        loss_value(backend, name)(o, t),
        oracle(name, logits, targets),
        tolerance(backend, 2e-6, 1e-14),
        backend,
    )
    assert_close(loss.delta(backend.ops, o, t), np.stack(slopes, axis=-1), tolerance(backend, 2e-6, 1e-9), backend)
    assert_close(
        loss.delta(backend.ops, o, t),
        backend.to_numpy(loss.transform(backend.ops, o)) - targets,
        tolerance(backend, 1e-6, 1e-15),
        backend,
    )
    # neither argument was overwritten
    assert_close(o, logits, tolerance(backend, 1e-7, 0), backend)
    assert_close(t, targets, tolerance(backend, 1e-7, 0), backend)


def loss_value(backend: Backend, name: str) -> Any:
    """The loss as a function of logits and targets."""
    return lambda o, t: nn.losses[name].value(backend.ops, o, t)


@every_loss
@pytest.mark.parametrize(
    ("backend", "library"),
    [
        *(pytest.param(*case.values, "torch", id=str(case.id)) for case in cases("torch", dtype="float64")),
        *(pytest.param(*case.values, "jax", id=str(case.id)) for case in cases("jax", dtype="float64")),
    ],
    indirect=["backend"],
)
def test_derivative_by_automatic_differentiation(backend: Backend, library: str, name: str) -> None:
    o, t = (backend.asarray(array["2-D"], backend.dtype) for array in (LOGITS, TARGETS[name]))
    value = loss_value(backend, name)
    if library == "torch":
        import torch

        with torch.enable_grad():
            o.requires_grad_()
            value(o, t).sum().backward()
        expected = o.grad.numpy(force=True)
        o = o.detach()
    else:
        import jax

        expected = np.asarray(jax.grad(lambda logits: value(logits, t).sum())(o))
    assert_close(nn.losses[name].delta(backend.ops, o, t), expected, 1e-14, backend)


@every_loss
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits(backend: Backend, name: str, sign: int) -> None:
    logits = sign * np.asarray([[1e4, -1e4, 0.0, 1e4]])
    if name == "poisson":  # the exponential of 1e4 is infinite and has to be
        logits = -np.abs(logits)
    o = backend.asarray(logits, backend.dtype)
    loss = nn.losses[name]
    for target in np.eye(4):
        t = backend.asarray(target[None, :], backend.dtype)
        value = loss.value(backend.ops, o, t)
        assert_close(value, oracle(name, logits, target), tolerance(backend, 1e-6, 1e-14), backend)
        assert np.isfinite(backend.to_numpy(value)).all()
        assert np.isfinite(backend.to_numpy(loss.delta(backend.ops, o, t))).all()


def test_poisson_overflows_to_infinity_and_not_to_nan(backend: Backend) -> None:
    o = backend.asarray([[1e4], [1e4]], backend.dtype)
    t = backend.asarray([[0.0], [3.0]], backend.dtype)
    assert backend.to_numpy(nn.losses["poisson"].value(backend.ops, o, t)).tolist() == [np.inf, np.inf]
    assert backend.to_numpy(nn.losses["poisson"].delta(backend.ops, o, t)).tolist() == [[np.inf], [np.inf]]


def test_a_small_logistic_loss_keeps_its_digits(backend: Backend) -> None:
    o, t = backend.asarray([[40.0], [-40.0]], backend.dtype), backend.asarray([[1.0], [0.0]], backend.dtype)
    value = nn.losses["logistic"].value(backend.ops, o, t)
    assert_close(value, 2 * [np.exp(-40)], tolerance(backend, 1e-6, 1e-14), backend)


@both_shapes
def test_scores_of_several_labels_count_an_example_once(backend: Backend, shape: str) -> None:
    logits, targets, loss = LOGITS[shape], TARGETS["logistic"][shape].copy(), nn.losses["logistic"]
    targets[..., :2, :] = logits[..., :2, :] > 0
    decided = loss.decide(backend.ops, backend.asarray(logits, backend.dtype))
    assert_close(decided, logits > 0, 0, backend)
    score = loss.score(
        backend.ops, decided, backend.asarray(targets, backend.dtype), backend.asarray(np.ones(4), backend.dtype)
    )
    assert_close(score, ((logits > 0) == targets).all(axis=-1), 0, backend)
    assert backend.to_numpy(score)[..., :2].all()


@pytest.mark.parametrize("name", ["squared", "poisson"])
def test_the_mean_score_is_r2(backend: Backend, name: str) -> None:
    logits, targets, loss = LOGITS["2-D"], TARGETS[name]["2-D"].copy(), nn.losses[name]
    targets[:, 1] = 3.0  # constant: R2 is 0, as in scikit-learn
    variance = targets.var(axis=0)
    precision = np.divide(1, variance, out=np.zeros(4), where=variance > 0)
    decided = loss.decide(backend.ops, backend.asarray(logits, backend.dtype))
    score = loss.score(
        backend.ops,
        decided,
        backend.asarray(targets, backend.dtype),
        backend.asarray(precision, backend.dtype),
    )
    assert score.shape == (6,)
    expected = r2_score(targets, logits if name == "squared" else np.exp(logits))
    assert np.isclose(backend.to_numpy(score).mean(), expected, rtol=tolerance(backend, 1e-5, 1e-12))
