"""The same random_state gives the same losses and weights as in scikit-learn's own estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.neural_network

import xpmlp
from tests.estimator.small import counts, digits, labels, one_value, two_classes, values

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "adam": {},
    "adam with its own constants": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4, "learning_rate_init": 0.01},
    "logistic": {"activation": "logistic"},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity"},
    "strong penalty": {"alpha": 1.0},
    "no penalty": {"alpha": 0.0},
    "a tail batch": {"batch_size": 37},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "two hidden layers, by an integer type": {"hidden_layer_sizes": np.array([12, 7])},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.02, "max_iter": 30},
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1, "max_iter": 12},
    "in order": {"shuffle": False},
}


def both(kind: str, **parameters: Any) -> tuple[Any, Any]:
    """scikit-learn's estimator and ours, with the same parameters."""
    parameters = {"hidden_layer_sizes": (11,), "random_state": 3, "max_iter": 6, **parameters}
    return getattr(sklearn.neural_network, kind)(**parameters), getattr(xpmlp, kind)(**parameters)


def assert_same(ours: Any, theirs: Any) -> None:
    for name in ("n_iter_", "t_", "n_outputs_", "n_layers_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("coefs_", "intercepts_"):
        for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-9, err_msg=name)
    for name in ("loss_curve_", "loss_", "validation_scores_", "best_loss_", "best_validation_score_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine is None) == (other is None), name
        if other is not None:
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("data", [digits, two_classes, labels], ids=lambda data: data.__name__)
def test_classifier(data: Any, option: str) -> None:
    X, y = data()
    theirs, ours = both("MLPClassifier", **OPTIONS[option])
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-6)
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("data", [values, one_value, counts], ids=lambda data: data.__name__)
def test_regressor(data: Any, option: str) -> None:
    X, y = data()
    loss = "poisson" if data is counts else "squared_error"
    theirs, ours = both("MLPRegressor", loss=loss, **OPTIONS[option])
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-9)
    np.testing.assert_allclose(ours.score(X, y), theirs.score(X, y), atol=1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("kind", "data"), [("MLPClassifier", digits), ("MLPRegressor", values)])
def test_sample_weights(kind: str, data: Any, early_stopping: bool) -> None:
    X, y = data()
    weights = np.random.default_rng(0).uniform(0, 3, len(X))
    theirs, ours = both(kind, early_stopping=early_stopping, alpha=0.1, batch_size=32)
    assert_same(ours.fit(X, y, weights), theirs.fit(X, y, sample_weight=weights))


@pytest.mark.parametrize(
    ("kind", "data"), [("MLPClassifier", digits), ("MLPClassifier", two_classes), ("MLPRegressor", one_value)]
)
def test_lbfgs_goes_the_same_way(kind: str, data: Any) -> None:
    X, y = data()
    theirs, ours = both(kind, solver="lbfgs", max_iter=12, alpha=0.1)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_ == 12
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize(("kind", "data"), [("MLPClassifier", labels), ("MLPRegressor", one_value)])
def test_lbfgs_ends_at_the_same_minimum(kind: str, data: Any) -> None:
    X, y = data()
    theirs, ours = both(kind, solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, max_iter=500)  # convex: there is one
    np.testing.assert_allclose(ours.fit(X, y).loss_, theirs.fit(X, y).loss_, rtol=1e-5)
    weights = np.random.default_rng(0).uniform(0, 3, len(X))
    ours.fit(X, y, weights)
    theirs.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=0.02)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-5)


def test_first_epoch_of_partial_fit() -> None:
    X, y = digits()
    theirs, ours = both("MLPClassifier")
    first = slice(0, 90)
    assert_same(
        ours.partial_fit(X[first], y[first], classes=range(10)),
        theirs.partial_fit(X[first], y[first], classes=range(10)),
    )


def test_what_verbose_prints(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = digits()
    said = []
    for estimator in both(
        "MLPClassifier",
        verbose=True,
        solver="sgd",
        learning_rate="adaptive",
        tol=1.0,
        max_iter=30,
        n_iter_no_change=1,
        early_stopping=True,
    ):
        estimator.fit(X, y)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Setting learning rate to" in said[1]
    assert "Learning rate too small. Stopping." in said[1]


def test_the_warning_that_it_has_not_converged() -> None:
    X, y = digits()
    messages = []
    for estimator in both("MLPClassifier", max_iter=2):
        with pytest.warns(sklearn.exceptions.ConvergenceWarning) as caught:
            estimator.fit(X, y)
        messages.append([str(one.message) for one in caught])
    assert caught[0].filename == __file__  # points at the line that has called fit
    assert messages[0] == messages[1]
