"""Several calls of partial_fit, or several warm starts, equal one long fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.estimator.small import ON_EACH_LIBRARY, classifier, digits, labels, on, regressor, same_weights, values
from xpmlp.backend import Backend
from xpmlp.estimator.places import to_host

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "adam": {},
    "a tail batch": {"batch_size": 37},
    "in order": {"shuffle": False},
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    "dropout": {"dropout": 0.3},
    "its own generator": {"random_state": 0},
}


def assert_one_fit(ours: Any, whole: Any) -> None:
    assert same_weights(ours, whole)
    assert ours.loss_curve_ == whole.loss_curve_
    assert ours.t_ == whole.t_
    assert ours.best_loss_ == whole.best_loss_


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("estimator", "data"),
    [pytest.param(classifier, digits, marks=pytest.mark.slow), (classifier, labels), (regressor, values)],
)
def test_six_epochs(estimator: Any, data: Any, option: str) -> None:
    X, y = data()

    def make(**parameters: Any) -> Any:
        made = estimator(**{**OPTIONS[option], **parameters})
        if option == "its own generator":
            made.set_params(random_state=np.random.RandomState(5))
        return made

    whole = make(max_iter=6).fit(X, y)
    first_call = {"classes": np.arange(10) if data is digits else np.arange(y.shape[1])}
    six = make()
    for epoch in range(6):
        six.partial_fit(X, y, **(first_call if estimator is classifier and epoch == 0 else {}))
        assert six.n_iter_ == 1
    assert_one_fit(six, whole)
    warm = make(max_iter=3, warm_start=True).fit(X, y).fit(X, y)
    assert warm.n_iter_ == 3
    assert_one_fit(warm, whole)
    mixed = make(max_iter=4).fit(X, y).partial_fit(X, y).partial_fit(X, y)
    assert_one_fit(mixed, whole)


@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_on_every_library(backend: Backend) -> None:
    X, y = (on(backend, array) for array in digits())
    whole, six = classifier(max_iter=3).fit(X, y), classifier()
    for _ in range(3):
        six.partial_fit(X, y, classes=range(10))
    for mine, other in zip(six.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(to_host(mine), to_host(other))


def test_a_warm_start_with_early_stopping_goes_on_from_the_best_weights() -> None:
    X, y = digits()
    first = classifier(early_stopping=True, warm_start=True, max_iter=5).fit(X, y)
    best = first.best_validation_score_
    first.fit(X, y)
    assert len(first.validation_scores_) == 10
    assert first.best_validation_score_ >= best


def test_another_number_of_examples_starts_a_new_order() -> None:
    X, y = digits()
    ours = classifier().partial_fit(X, y, classes=range(10)).partial_fit(X[:40], y[:40])
    assert ours.t_ == 190


def test_a_change_of_the_optimiser_begins_with_a_fresh_one() -> None:
    X, y = digits()
    ours = classifier(warm_start=True).fit(X, y)
    ours.set_params(solver="sgd").fit(X, y)
    assert len(ours.loss_curve_) == 8


SOLVERS: list[dict[str, Any]] = [
    {"solver": "lbfgs", "early_stopping": False},
    {"solver": "adam", "early_stopping": False},
    {"solver": "adam", "early_stopping": True},
]


@pytest.mark.parametrize("later", SOLVERS, ids=str)
@pytest.mark.parametrize("first", SOLVERS, ids=str)
def test_another_solver_or_rule_to_stop_can_go_on(first: dict[str, Any], later: dict[str, Any]) -> None:
    X, y = digits()
    ours = classifier(warm_start=True, **first).fit(X, y)
    ours.set_params(**later).fit(X, y)
    if later["solver"] == "lbfgs":
        return
    assert len(ours.loss_curve_) == 4 * (1 + (first["solver"] == "adam"))
    assert (ours.best_loss_ is None) == later["early_stopping"]
    assert (ours.validation_scores_ is None) == (not later["early_stopping"])
    if not later["early_stopping"]:
        assert len(ours.partial_fit(X, y).loss_curve_) == len(ours.loss_curve_)


def test_another_number_of_outputs_cannot_go_on() -> None:
    X, y = values()
    ours = regressor().fit(X, y)
    with pytest.raises(ValueError, match="y has 1 outputs, and the targets trained on have 3"):
        ours.partial_fit(X, y[:, 0])
    assert ours.predict(X).shape == y.shape


def test_other_layers_cannot_go_on() -> None:
    X, y = digits()
    ours = classifier(warm_start=True).fit(X, y).set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(5,\) does not fit the layers of \[11\] units"):
        ours.fit(X, y)


def test_users_weights_are_what_it_goes_on_from() -> None:
    X, y = digits()
    ours = classifier(solver="sgd", momentum=0.0, alpha=0.0).fit(X, y)
    ours.coefs_ = [np.zeros_like(weights) for weights in ours.coefs_]
    ours.intercepts_ = [np.zeros_like(biases) for biases in ours.intercepts_]
    ours.partial_fit(X, y)
    assert ours.loss_ == pytest.approx(np.log(10), rel=1e-3)
