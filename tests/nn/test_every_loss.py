"""All losses: values and derivatives against independent implementations, extreme logits, decisions and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from sklearn.metrics import r2_score

from tests.helpers import assert_close, cases, tolerance
from xpmlp import nn
from xpmlp.backend import Backend

QUANTILES = (0.1, 0.3, 0.55, 0.9)

LOSSES = {
    **{name: loss for name, loss in nn.losses.items() if name != "quantile"},
    "huber 0.7": nn.losses["huber"].with_settings({"huber_delta": 0.7}),
    "quantile": nn.losses["quantile"].with_settings({"quantiles": list(QUANTILES)}),
}
"""Each with four outputs, for one target (quantile) or four."""

RNG = np.random.default_rng(11)
SHAPES = {"2-D": (6, 4), "3-D": (3, 6, 4)}
LOGITS = {name: 2 * RNG.normal(size=shape) for name, shape in SHAPES.items()}
TARGETS = {
    "cross_entropy": {name: np.eye(4)[RNG.integers(0, 4, shape[:-1])] for name, shape in SHAPES.items()},
    "logistic": {name: RNG.integers(0, 2, shape).astype(float) for name, shape in SHAPES.items()},
    "squared": {name: RNG.normal(size=shape) for name, shape in SHAPES.items()},
    "poisson": {name: RNG.poisson(1.5, shape).astype(float) for name, shape in SHAPES.items()},
    **{
        loss: {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
        for loss in ("absolute", "huber", "huber 0.7")
    },
    "quantile": {name: RNG.normal(size=(*shape[:-1], 1)) for name, shape in SHAPES.items()},
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
        case "absolute":
            each = np.abs(o - t)
        case "huber" | "huber 0.7":
            each = scipy.special.huber(0.7 if "0.7" in name else 1.0, o - t)
        case "quantile":
            levels = np.asarray(QUANTILES)
            each = np.where(t > o, levels * (t - o), (1 - levels) * (o - t))
        case _:
            each = scipy.special.xlogy(t, t) - t * o - t + np.exp(o)
    total: np.ndarray[Any, Any] = each.sum(axis=-1)
    return total


every_loss = pytest.mark.parametrize("name", LOSSES)
both_shapes = pytest.mark.parametrize("shape", SHAPES)


@every_loss
@both_shapes
def test_value_and_derivative(backend: Backend, name: str, shape: str) -> None:
    logits, targets, loss = LOGITS[shape], TARGETS[name][shape], LOSSES[name]
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
    if name in ("cross_entropy", "logistic", "squared", "poisson"):
        prediction = backend.to_numpy(loss.transform(backend.ops, o))
        assert_close(loss.delta(backend.ops, o, t), prediction - targets, tolerance(backend, 1e-6, 1e-15), backend)
    # neither argument was overwritten
    assert_close(o, logits, tolerance(backend, 1e-7, 0), backend)
    assert_close(t, targets, tolerance(backend, 1e-7, 0), backend)


@every_loss
def test_a_prediction_has_the_loss_of_its_logits(backend: Backend, name: str) -> None:
    """As the mean prediction of a vote has one; where the transform has an inverse, which all of these have."""
    o, t = (backend.asarray(array["3-D"], backend.dtype) for array in (LOGITS, TARGETS[name]))
    loss = LOSSES[name]
    value = loss.value_of_prediction(backend.ops, loss.transform(backend.ops, o), t)
    assert value is not None
    expected = backend.to_numpy(loss.value(backend.ops, o, t))
    assert_close(value, expected, tolerance(backend, 1e-5, 1e-12), backend)
    if loss.transform is not nn.losses["squared"].transform:
        assert loss._replace(link=None).value_of_prediction(backend.ops, o, t) is None


def loss_value(backend: Backend, name: str) -> Any:
    """The loss as a function of logits and targets."""
    return lambda o, t: LOSSES[name].value(backend.ops, o, t)


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
    assert_close(LOSSES[name].delta(backend.ops, o, t), expected, 1e-14, backend)


@every_loss
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits(backend: Backend, name: str, sign: int) -> None:
    logits = sign * np.asarray([[1e4, -1e4, 0.0, 1e4]])
    if name == "poisson":  # the exponential of 1e4 is infinite and has to be
        logits = -np.abs(logits)
    o = backend.asarray(logits, backend.dtype)
    loss = LOSSES[name]
    for target in np.eye(4)[:, :1] if name == "quantile" else np.eye(4):
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
    inverse_variance = np.divide(1, variance, out=np.zeros(4), where=variance > 0)
    decided = loss.decide(backend.ops, backend.asarray(logits, backend.dtype))
    score = loss.score(
        backend.ops,
        decided,
        backend.asarray(targets, backend.dtype),
        backend.asarray(inverse_variance, backend.dtype),
    )
    assert score.shape == (6,)
    expected = r2_score(targets, logits if name == "squared" else np.exp(logits))
    assert np.isclose(backend.to_numpy(score).mean(), expected, rtol=tolerance(backend, 1e-5, 1e-12))


def test_absolute_huber_and_quantile_by_hand(backend: Backend) -> None:
    # errors o - t of 3, -2, 1/2 and 0; |e|: 3 + 2 + 1/2.  Huber with 1: 3 - 1/2, 2 - 1/2 and 1/8, in all 33/8.
    o = backend.asarray(np.asarray([[4.0, -1.0, 1.5, 1.0]]), backend.dtype)
    t = backend.asarray(np.ones((1, 4)), backend.dtype)
    exact = tolerance(backend, 1e-7, 1e-15)
    for name, value, delta in (("absolute", 5.5, [1, -1, 1, 0]), ("huber", 33 / 8, [1, -1, 1 / 2, 0])):
        assert_close(nn.losses[name].value(backend.ops, o, t), [value], exact, backend)
        assert_close(nn.losses[name].delta(backend.ops, o, t), [delta], exact, backend)
    # levels 1/4, 1/2, 3/4 of t = 1 with outputs 4, -1, 3/2: (1 - 1/4) 3 + 1/2 2 + (1 - 3/4) 1/2 = 27/8
    loss = nn.losses["quantile"].with_settings({"quantiles": (0.25, 0.5, 0.75)})
    o, t = o[:, :3], t[:, :1]
    assert_close(loss.value(backend.ops, o, t), [27 / 8], exact, backend)
    assert_close(loss.delta(backend.ops, o, t), [[3 / 4, -1 / 2, 1 / 4]], exact, backend)
    assert_close(loss.decide(backend.ops, o), [[-1.0]], 0, backend)
    assert loss.n_outputs(1, 0) == 3
    assert loss.output_names(["y"]) == ["y, quantile 0.25", "y, quantile 0.5", "y, quantile 0.75"]


def test_label_smoothing_by_hand(backend: Backend) -> None:
    # half of each target over two classes: (1/2 + 1/4, 1/4); with probabilities (1/4, 3/4), logits (0, ln 3):
    # 3/4 ln 4 + 1/4 ln 4/3, and (1/4 - 3/4, 3/4 - 1/4)
    loss = nn.losses["cross_entropy"].with_settings({"label_smoothing": 0.5})
    labels = backend.asarray(np.zeros(1), backend.index_dtype)
    classes = backend.asarray(np.arange(2), backend.index_dtype)
    encoded = loss.encode(backend.ops, labels, classes, backend.dtype)
    exact = tolerance(backend, 2e-7, 1e-15)
    assert_close(encoded, [[3 / 4, 1 / 4]], exact, backend)
    o = backend.asarray(np.log([[1.0, 3.0]]), backend.dtype)
    assert_close(loss.value(backend.ops, o, encoded), [0.75 * np.log(4) + 0.25 * np.log(4 / 3)], exact, backend)
    assert_close(loss.delta(backend.ops, o, encoded), [[-1 / 2, 1 / 2]], exact, backend)
    assert loss.evaluated_as is nn.losses["cross_entropy"]


@pytest.mark.parametrize("backend", cases("torch", dtype="float64"), indirect=True)
def test_against_torch(backend: Backend) -> None:
    import torch
    from torch.nn import functional

    labels = np.asarray([0, 3, 1, 2, 2, 0])
    smoothed = nn.losses["cross_entropy"].with_settings({"label_smoothing": 0.2})
    classes = backend.asarray(np.arange(4), backend.index_dtype)
    encoded = smoothed.encode(backend.ops, backend.asarray(labels, backend.index_dtype), classes, backend.dtype)
    level = torch.tensor(QUANTILES, dtype=torch.float64)
    theirs = {
        "absolute": lambda o, t: functional.l1_loss(o, t, reduction="sum"),
        "huber 0.7": lambda o, t: functional.huber_loss(o, t, reduction="sum", delta=0.7),
        "quantile": lambda o, t: torch.maximum(level * (t - o), (level - 1) * (t - o)).sum(),
        "smoothed": lambda o, t: functional.cross_entropy(
            o, torch.tensor(labels), reduction="sum", label_smoothing=0.2
        ),
    }
    for name, function in theirs.items():
        loss, t = (smoothed, encoded) if name == "smoothed" else (LOSSES[name], torch.tensor(TARGETS[name]["2-D"]))
        o = torch.tensor(LOGITS["2-D"], requires_grad=True)
        with torch.enable_grad():
            value = function(o, t)
            value.backward()
        o.requires_grad_(False)
        total = float(loss.value(backend.ops, o, t).sum())
        assert total == pytest.approx(value.item(), rel=1e-13)
        assert_close(loss.delta(backend.ops, o, t), o.grad.numpy(), 1e-14, backend)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("huber", {"huber_delta": 0}, "greater than 0"),
        ("huber", {"huber_delta": float("nan")}, "greater than 0"),
        ("huber", {"huber_delta": "1"}, "greater than 0"),
        ("huber", {"huber_delta": True}, "greater than 0"),
        ("huber", {"label_smoothing": 0.1}, "no parameter 'label_smoothing'"),
        ("quantile", {"quantiles": []}, "a list of numbers"),
        ("quantile", {"quantiles": [0.5, 0.5]}, "have to rise"),
        ("quantile", {"quantiles": [0.5, 1]}, "between 0 and 1"),
        ("quantile", {"quantiles": ["0.5"]}, "between 0 and 1"),
        ("quantile", {"quantiles": [{}]}, "no such parameters"),
        ("cross_entropy", {"label_smoothing": 1.0}, "1 excluded"),
        ("cross_entropy", {"label_smoothing": False}, "1 excluded"),
        ("squared", {"huber_delta": 1.0}, "no parameter"),
    ],
)
def test_parameters_that_are_refused(name: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        nn.losses[name].with_settings(settings)


def test_equal_parameters_give_one_object() -> None:
    huber = nn.losses["huber"]
    assert huber.with_settings({"huber_delta": 1.0}) is huber
    assert huber.with_settings({"huber_delta": 2.0}) is huber.with_settings({"huber_delta": 2})
    assert all(key == loss.name and loss.sentence for key, loss in nn.losses.items())
