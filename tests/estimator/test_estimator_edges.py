"""Edge cases: streams without a class, diverging trainings, certain predictions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight

from tests.estimator.small import ON_EACH_LIBRARY, classifier, digits, labels, on, regressor, same_weights, values
from xpmlp import MLPRegressor
from xpmlp.backend import Backend
from xpmlp.estimator.places import to_host

not_converged = pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("table", [{2: 5.0}, {0: 1.0, 2: 5.0}, {0: 1.0, 1: 1.0, 2: 5.0}], ids=str)
def test_a_class_has_one_weight_in_every_batch_of_a_stream(table: dict[int, float]) -> None:
    X, y = digits(120)
    common, rare = y % 2, y % 3
    ours, weighted = classifier(class_weight=table), classifier()
    for batch in (common, rare, common):
        ours.partial_fit(X, batch, classes=[0, 1, 2])
        weighted.partial_fit(X, batch, np.where(batch == 2, 5.0, 1.0), classes=[0, 1, 2])
    assert same_weights(ours, weighted)


def test_labels_that_a_batch_lacks_have_their_weights_too() -> None:
    X, y = labels()
    without = np.where(np.arange(y.shape[1]) == 1, 0, y)
    classes, tables = np.arange(y.shape[1]), [{1: 3.0}] * y.shape[1]
    ours = classifier(class_weight=tables).partial_fit(X, without, classes=classes)
    weights = 3.0 ** without.sum(axis=1)
    assert same_weights(ours, classifier().partial_fit(X, without, weights, classes=classes))
    some = [None, *tables[1:]]
    assert same_weights(
        classifier(class_weight=some).partial_fit(X, without, classes=classes),
        classifier().partial_fit(X, without, 3.0 ** without[:, 1:].sum(axis=1), classes=classes),
    )
    for wrong in ({1: 3.0}, tables[1:]):
        with pytest.raises(ValueError, match=f"give class_weight as a list of {y.shape[1]} tables"):
            classifier(class_weight=wrong).fit(X, y)


def test_weights_of_classes_that_are_not_known_are_refused() -> None:
    X, y = digits()
    with pytest.raises(ValueError, match="are not in class_weight"):
        classifier(class_weight={"7": 2.0}).partial_fit(X, y, classes=range(10))


@not_converged
def test_weights_tell_apart_labels_that_are_the_same_number() -> None:
    X, y = digits(120)
    codes = np.array(["7", "007", "cow"])[y % 3]
    weighted = classifier().fit(X, codes, np.where(codes == "007", 4.0, 1.0))
    assert same_weights(classifier(class_weight={"007": 4.0}).fit(X, codes), weighted)
    numbers = y.astype(str)  # for which scikit-learn takes whole numbers alone
    weighted = classifier().fit(X, numbers, np.where(y == 3, 4.0, 1.0))
    for table in ({3: 4.0}, {"3": 4.0}):
        assert same_weights(classifier(class_weight=table).fit(X, numbers), weighted)


@pytest.mark.parametrize("dtype", ["M8[D]", "m8[s]"])
def test_a_gap_among_dates_is_no_class(dtype: str) -> None:
    X, y = digits(20)
    targets = y.astype(dtype)
    targets[3] = "NaT"
    for fit in (classifier().fit, lambda X, y: classifier().partial_fit(X, y, classes=np.unique(y)[:-1])):
        with pytest.raises(ValueError, match=r"Input y contains NaT\."):
            fit(X, targets)


def test_balanced_weights_are_not_for_a_stream() -> None:
    X, y = digits()
    ours = classifier(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced' needs the frequencies of the classes in all data"):
        ours.partial_fit(X, y, classes=range(10))
    assert not hasattr(ours, "classes_")
    classes = np.arange(10)
    table = dict(zip(classes.tolist(), compute_class_weight("balanced", classes=classes, y=y), strict=True))
    ours.set_params(class_weight=table).partial_fit(X, y, classes=classes)  # as the message says


def diverging(**parameters: Any) -> MLPRegressor:
    """An estimator whose first epochs are finite and whose later ones are not."""
    return regressor(
        activation="identity", solver="sgd", learning_rate_init=1, early_stopping=True, max_iter=20, **parameters
    )


@not_converged
@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_early_stopping_keeps_the_best_weights_of_a_training_that_diverges(backend: Backend, tmp_path: Path) -> None:
    X, y = (on(backend, array) for array in values())
    with pytest.warns(ConvergenceWarning, match="best validation score are kept") as caught:
        ours = diverging().fit(X, y)
    assert [one.filename for one in caught if "best validation" in str(one.message)] == [__file__]
    scores = ours.validation_scores_
    assert np.isnan(scores[-1])
    assert ours.best_validation_score_ == np.nanmax(scores)
    assert len(scores) == len(ours.loss_curve_) == ours.n_iter_ < 20
    best = diverging().set_params(max_iter=1 + int(np.nanargmax(scores))).fit(X, y)
    for mine, other in zip(ours.coefs_, best.coefs_, strict=True):
        np.testing.assert_array_equal(to_host(mine), to_host(other))
    assert np.isfinite(to_host(ours.predict(X))).all()
    ours.save(tmp_path / "network")
    assert np.isnan(MLPRegressor.load(tmp_path / "network").validation_scores_[-1])


@not_converged
def test_a_warm_start_that_finds_nothing_better_keeps_what_it_began_with() -> None:
    X, y = values()
    ours = regressor(early_stopping=True, warm_start=True, solver="sgd", max_iter=5).fit(X, y)
    best, before = ours.best_validation_score_, ours.predict(X)
    with pytest.warns(ConvergenceWarning, match="best validation score are kept"):
        ours.set_params(learning_rate_init=1e300).fit(X, y)
    assert ours.best_validation_score_ == best
    np.testing.assert_array_equal(ours.predict(X), before)


@not_converged
@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
@pytest.mark.parametrize("classes", [2, 3])
def test_logarithms_of_sure_predictions_are_finite(classes: int, backend: Backend) -> None:
    X, y = digits()
    X = on(backend, X)
    ours = classifier(max_iter=20, learning_rate_init=0.01).fit(X, on(backend, y % classes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for factor in (1.0, 300.0, 1e6):
            logarithms = to_host(ours.predict_log_proba(X * factor))
            assert np.isfinite(logarithms).all()
            np.testing.assert_allclose(np.exp(logarithms), to_host(ours.predict_proba(X * factor)), atol=1e-6)
    assert logarithms.min() < np.log(np.finfo(logarithms.dtype).tiny), "their probabilities are 0"
    assert (logarithms.max(axis=1) == 0).any()


@pytest.mark.parametrize("y", [digits()[1] % 2, digits()[1] % 3, labels()[1]], ids=["two", "three", "labels"])
def test_logarithms_at_the_end_of_the_numbers(y: Any) -> None:
    X = np.ones((len(y), 2))
    ours = classifier(hidden_layer_sizes=(), max_iter=1)
    with pytest.warns(ConvergenceWarning):
        ours.fit(X, y)
    ours.coefs_[0][0] = 1e308 * np.linspace(-1, 1, ours.n_outputs_) if ours.n_outputs_ > 1 else 1e308
    for x in (X, 100 * X, -100 * X):  # infinite logits, too
        logarithms = ours.predict_log_proba(x)
        assert np.isfinite(logarithms).all()
        np.testing.assert_array_equal(np.exp(logarithms), ours.predict_proba(x))


@pytest.mark.parametrize("y", [np.array(["1", "2"] * 20), np.array(["2020-01-01", "2021-01-01"] * 20, "M8[D]")])
def test_values_are_numbers(y: Any) -> None:
    with pytest.raises(ValueError, match="values have to be numbers"):
        regressor().fit(np.ones((40, 2)), y)
