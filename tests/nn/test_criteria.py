"""Criteria: values worked by hand, scikit-learn's and SciPy's figures, and agreement of all backends."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.metrics

from tests.helpers import assert_close, assert_lives_on, tolerance
from xpmlp.backend import Backend
from xpmlp.nn import at_temperature, criteria, inverse_temperature
from xpmlp.nn.criteria.criterion import Criterion

RNG = np.random.default_rng(11)
LABELS = np.r_[np.arange(4), RNG.integers(0, 4, 56)]
ONE_HOT = np.eye(4)[LABELS]
PREDICTION = scipy.special.softmax(2 * RNG.normal(size=(3, 60, 4)) + 1.5 * ONE_HOT, axis=-1)
WEIGHTS = RNG.uniform(0.5, 2, 60)
WEIGHTS /= WEIGHTS.sum()
VALUES, GUESSES = RNG.normal(size=(60, 2)), RNG.normal(size=(3, 60, 2))


def figure(name: str, backend: Backend, prediction: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> object:
    """The value of a criterion on a backend, which must be there, too."""
    arrays = [backend.asarray(np.asarray(array, np.float64), backend.dtype) for array in (prediction, targets, weights)]
    value = criteria[name].value(backend.ops, *arrays)
    assert_lives_on(value, backend)
    return value


SKLEARN = {
    "log_loss": lambda p: sklearn.metrics.log_loss(LABELS, p, sample_weight=WEIGHTS),
    "error": lambda p: 1 - sklearn.metrics.accuracy_score(LABELS, p.argmax(1), sample_weight=WEIGHTS),
    "auc": lambda p: (
        1
        - np.mean([sklearn.metrics.roc_auc_score(one == LABELS, p[:, one], sample_weight=WEIGHTS) for one in range(4)])
    ),
    "ece": lambda p: sum(
        abs(np.sum(WEIGHTS[part] * (p[part].max(1) - (p[part].argmax(1) == LABELS[part]))))
        for part in np.array_split(np.argsort(p.max(1), kind="stable"), 15)
    ),
    "refined_log_loss": lambda p: (
        scipy.optimize.minimize_scalar(
            lambda log: np.sum(
                WEIGHTS * -scipy.special.log_softmax(np.exp(log) * np.log(p), axis=1)[np.arange(60), LABELS]
            ),
            bounds=(-4, 4),
            method="bounded",
        ).fun
    ),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_classes_as_scikit_learn_and_scipy(backend: Backend, name: str) -> None:
    expected = [SKLEARN[name](one) for one in PREDICTION]
    value = figure(name, backend, PREDICTION, ONE_HOT, WEIGHTS)
    assert_close(value, expected, tolerance(backend, 1e-5, 1e-9), backend)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", lambda v: np.sqrt(np.sum(WEIGHTS * np.mean((v - VALUES) ** 2, axis=1)))),
        ("mae", lambda v: np.sum(WEIGHTS * np.mean(np.abs(v - VALUES), axis=1))),
    ],
)
def test_values_as_numpy(backend: Backend, name: str, expected: object) -> None:
    value = figure(name, backend, GUESSES, VALUES, WEIGHTS)
    assert_close(value, [expected(one) for one in GUESSES], tolerance(backend, 1e-6, 1e-12), backend)


def test_by_hand(backend: Backend) -> None:
    prediction = np.asarray([[[0.8, 0.2], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]]])
    targets, weights = np.eye(2)[[0, 0, 1, 1]], np.full(4, 0.25)
    # wrong: the second; in order: of the pairs (1 or 2, 3 or 4) all but the tie of 2 and 3, which counts half
    accuracy = tolerance(backend, 1e-6, 1e-12)
    assert_close(figure("error", backend, prediction, targets, weights), [0.25], accuracy, backend)
    assert_close(figure("auc", backend, prediction, targets, weights), [0.125], accuracy, backend)
    # a bin each: 0.8 and right, 0.6 and wrong, 0.6 and right, 0.9 and right
    assert_close(figure("ece", backend, prediction, targets, weights), [(0.2 + 0.6 + 0.4 + 0.1) / 4], accuracy, backend)
    expected = [-np.log(0.8 * 0.4 * 0.6 * 0.9) / 4]
    assert_close(figure("log_loss", backend, prediction, targets, weights), expected, accuracy, backend)


def test_temperature_by_hand(backend: Backend) -> None:
    # three of four are right with the same odds of 9: the best odds are 3, whose log is half that of 9
    log_odds = np.log(9) * np.asarray([1, 1, 1, 1])
    logits = np.stack([log_odds, 0 * log_odds], axis=-1)[None]
    prediction, targets = scipy.special.softmax(logits, axis=-1), np.eye(2)[[0, 0, 0, 1]]
    arrays = [backend.asarray(one, backend.dtype) for one in (np.log(prediction), targets, np.full(4, 0.25))]
    accuracy = tolerance(backend, 1e-5, 1e-8)
    assert_close(inverse_temperature(backend.ops, *arrays), [0.5], accuracy, backend)
    cooled = at_temperature(backend.ops, backend.asarray(prediction, backend.dtype), 2.0)
    assert_close(cooled, np.broadcast_to([0.75, 0.25], (1, 4, 2)), accuracy, backend)


def test_certain_and_wrong_stays_finite(backend: Backend) -> None:
    prediction, targets = np.asarray([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]]), np.eye(2)[[0, 0, 0]]
    for name in ("log_loss", "refined_log_loss", "error", "auc", "ece"):
        value = backend.to_numpy(figure(name, backend, prediction, targets, np.full(3, 1 / 3)))
        assert np.isfinite(value).all(), name


def test_records_say_for_which_targets_they_are() -> None:
    assert all(isinstance(one, Criterion) and one.sentence and one.targets for one in criteria.values())
