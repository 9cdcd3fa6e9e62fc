"""Features of our estimators beyond scikit-learn's, and their error messages."""

from __future__ import annotations

import signal
import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error

from tests.estimator.small import classifier, counts, digits, labels, regressor, same_weights, values
from xpmlp import MLPClassifier
from xpmlp.errors import BackendError
from xpmlp.estimator import samples
from xpmlp.training import EpochRow

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_class_weights_are_sample_weights() -> None:
    X, y = digits()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    by_class = classifier(class_weight={0: 3.0, 7: 0.5}).fit(X, y, weights)
    by_sample = classifier().fit(X, y, weights * np.select([y == 0, y == 7], [3.0, 0.5], 1.0))
    assert same_weights(by_class, by_sample)
    balanced = classifier(class_weight="balanced").fit(X, y)
    assert same_weights(balanced, classifier().fit(X, y, (len(y) / (10 * np.bincount(y)))[y]))


def test_weights_of_zero_leave_examples_out() -> None:
    X, y = digits()
    weights = np.ones(len(y))
    weights[32:64] = 0  # a whole batch
    ours = classifier(shuffle=False, batch_size=32, solver="sgd", momentum=0.0)
    kept = classifier(shuffle=False, batch_size=32, solver="sgd", momentum=0.0)
    rest = np.flatnonzero(weights)
    np.testing.assert_allclose(ours.fit(X, y, weights).coefs_[0], kept.fit(X[rest], y[rest]).coefs_[0], atol=1e-12)


def test_an_activation_for_each_layer() -> None:
    X, y = digits()
    same = classifier(hidden_layer_sizes=(9, 8), activation=["tanh", "tanh"]).fit(X, y)
    assert same_weights(same, classifier(hidden_layer_sizes=(9, 8), activation="tanh").fit(X, y))
    ours = classifier(hidden_layer_sizes=(9, 8), activation=["tanh", "relu"]).fit(X, y)
    hidden = np.maximum(np.tanh(X @ ours.coefs_[0] + ours.intercepts_[0]) @ ours.coefs_[1] + ours.intercepts_[1], 0)
    logits = hidden @ ours.coefs_[2] + ours.intercepts_[2]
    exponentials = np.exp(logits)
    np.testing.assert_allclose(ours.predict_proba(X), exponentials / exponentials.sum(axis=1, keepdims=True))


def test_dropout() -> None:
    X, y = digits()
    plain, dropped = classifier().fit(X, y), classifier(dropout=0.5).fit(X, y)
    assert not same_weights(plain, dropped)
    assert same_weights(dropped, classifier(dropout=[0.5]).fit(X, y))
    assert not same_weights(dropped, classifier(dropout=0.5, random_state=4).fit(X, y))
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    assert (
        classifier(hidden_layer_sizes=(40,), dropout=0.2, max_iter=60, learning_rate_init=0.01).fit(X, y).score(X, y)
        > 0.9
    )


def test_validation_data() -> None:
    X, y = digits()
    ours = classifier().fit(X[:100], y[:100], validation_data=(X[100:], y[100:]))
    assert len(ours.validation_loss_curve_) == 4
    assert ours.validation_loss_curve_[-1] == pytest.approx(log_loss(y[100:], ours.predict_proba(X[100:])))
    assert same_weights(ours, classifier().fit(X[:100], y[:100]))
    assert classifier().fit(X, y).validation_loss_curve_ is None
    weights = np.arange(1.0, 51.0)
    ours = classifier().fit(X[:100], y[:100], validation_data=(X[100:], y[100:], weights))
    expected = log_loss(y[100:], ours.predict_proba(X[100:]), sample_weight=weights)
    assert ours.validation_loss_curve_[-1] == pytest.approx(expected)
    X, y = values()
    other = regressor().fit(X[:80], y[:80], validation_data=(X[80:], y[80:]))
    assert other.validation_loss_curve_[-1] == pytest.approx(mean_squared_error(y[80:], other.predict(X[80:])) / 2)


def test_early_stopping_watches_the_validation_data() -> None:
    X, y = digits()
    ours = classifier(early_stopping=True).fit(X[:100], y[:100], validation_data=(X[100:], y[100:]))
    assert ours.t_ == 400, "nothing is held out"
    assert len(ours.validation_scores_) == 4
    assert ours.score(X[100:], y[100:]) == ours.best_validation_score_


def test_callbacks_see_every_epoch_and_can_stop() -> None:
    X, y = digits()
    seen: list[tuple[EpochRow, float]] = []

    def watch(estimator: MLPClassifier, row: EpochRow) -> bool:
        seen.append((row, estimator.score(X, y)))
        return row.epoch == 3

    ours = classifier(max_iter=50, callbacks=[watch]).fit(X, y)
    assert [row.epoch for row, _ in seen] == [1, 2, 3]
    assert [row.train_loss for row, _ in seen] == ours.loss_curve_
    assert seen[-1][1] == ours.score(X, y)
    assert same_weights(ours, classifier(max_iter=3).fit(X, y))


def test_no_warning_where_a_callback_stops(recwarn: pytest.WarningsRecorder) -> None:
    X, y = digits()
    classifier(callbacks=[lambda estimator, row: True]).fit(X, y)
    assert not [one for one in recwarn if one.category is ConvergenceWarning]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    X, y = digits()
    classifier(verbose=True).fit(X, y)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    classifier(verbose=True).fit(X, y)
    printed = capsys.readouterr()
    assert "epoch 4/4" in printed.err
    assert "Iteration 4, loss = " in printed.out
    classifier().fit(X, y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"batch_size": 7}], ids=str)
@pytest.mark.parametrize("form", ["csr_array", "csc_matrix"])
def test_sparse_features_are_as_dense_ones(form: str, parameters: dict[str, Any]) -> None:
    X, y = digits()
    weights = np.linspace(0.5, 2, len(y))
    sparse = getattr(scipy.sparse, form)(X)
    ours, dense = classifier(**parameters).fit(sparse, y, weights), classifier(**parameters).fit(X, y, weights)
    for mine, other in zip(ours.coefs_, dense.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(sparse), dense.predict_proba(X), atol=1e-9)


def test_sparse_validation_data() -> None:
    X, y = digits()
    sparse = scipy.sparse.csr_array(X)
    ours = classifier().fit(sparse[:100], y[:100], validation_data=(sparse[100:], y[100:]))
    dense = classifier().fit(X[:100], y[:100], validation_data=(X[100:], y[100:]))
    np.testing.assert_allclose(ours.validation_loss_curve_, dense.validation_loss_curve_)


def test_sparse_features_are_scored_up_to_the_last_row() -> None:
    """The last piece of the rows is shorter; the standard does not define slices beyond the end, and strict checks."""
    X, y = digits()
    sparse, rows = scipy.sparse.csr_array(np.tile(X, (9, 1))), np.tile(y, 9)
    ours = classifier(max_iter=1, backend="strict")
    ours.fit(sparse[:100], y[:100], validation_data=(sparse, rows))
    dense = classifier(max_iter=1).fit(X[:100], y[:100], validation_data=(X, y))
    np.testing.assert_allclose(ours.validation_loss_curve_, dense.validation_loss_curve_)


@pytest.mark.slow
def test_sparse_features_are_never_dense_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "STRETCH_BYTES", 2**21)
    X = scipy.sparse.random(500, 10_000, density=1e-4, format="csr", random_state=0)
    y = np.arange(500) % 2
    tracemalloc.start()
    try:
        classifier(hidden_layer_sizes=(1,), max_iter=1, batch_size=20).fit(X, y).predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * 8 * 500 * 10_000


@pytest.mark.parametrize(("early_stopping", "rate"), [(False, 1e4), (True, 1e300)])
def test_numbers_that_grow_without_bound(early_stopping: bool, rate: float) -> None:
    X, y = values()
    ours = regressor(solver="sgd", learning_rate_init=rate, early_stopping=early_stopping, activation="identity")
    with pytest.raises(ValueError, match=r"non-finite parameter weights|validation score after epoch 1 is not a num"):
        ours.fit(1e3 * X, y)


def test_predictions_that_are_not_finite_stop_early_stopping() -> None:
    X, y = counts()
    ours = regressor(early_stopping=True, loss="poisson")
    with pytest.raises(ValueError, match="The validation score after epoch 1 is not a number"):
        ours.fit(X, y, validation_data=(1e5 * X, y))  # the exponential overflows


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises no SIGINT in the process itself")
def test_ctrl_c_keeps_what_there_is() -> None:
    X, y = digits()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it

    def interrupt(estimator: MLPClassifier, row: EpochRow) -> None:
        if row.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        ours = classifier(max_iter=50, callbacks=[interrupt]).fit(X, y)
    assert ours.n_iter_ == 2
    assert same_weights(ours, classifier(max_iter=2).fit(X, y))
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_in_a_thread() -> None:
    X, y = digits()
    fitted: list[Any] = []
    thread = threading.Thread(target=lambda: fitted.append(classifier().fit(X, y)))
    thread.start()
    thread.join()
    assert same_weights(fitted[0], classifier().fit(X, y))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": ["relu", "tanh"]}, "activation has 2 values for 1 hidden layers"),
        ({"activation": ["softmax"]}, "there is no activation 'softmax'; there are identity, logistic, tanh, relu"),
        ({"dropout": [0.1, 0.2]}, "dropout has 2 values for 1 hidden layers"),
        ({"dropout": [1.0]}, r"a dropout of 1.0 is not a number in \[0, 1\)"),
        ({"dropout": ["0.1"]}, "a dropout of '0.1' is not a number in"),
        ({"activation": [["relu"]]}, r"there is no activation \['relu'\]"),
        ({"class_weight": [1, 2]}, "class_weight is a list, which is for several labels at once"),
        ({"class_weight": {0: np.nan}}, "has a weight that is not a number"),
        ({"solver": "lbfgs", "dropout": 0.1}, "dropout is for solver='sgd' and solver='adam'"),
        ({"solver": "lbfgs", "callbacks": [print]}, "callbacks is for solver='sgd' and solver='adam'"),
    ],
)
def test_parameters_that_do_not_go_together(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(**parameters).fit(*digits())


def test_what_is_refused_leaves_the_estimator_as_it_was() -> None:
    X, y = digits()
    ours = classifier()
    with pytest.raises(ValueError, match="there is no activation"):
        ours.set_params(activation=["softmax"]).fit(X, y)
    with pytest.raises(TypeError, match="callbacks has 3, which cannot be called"):
        ours.set_params(activation="relu", callbacks=[3]).fit(X, y)
    assert not hasattr(ours, "coefs_")


@pytest.mark.parametrize("given", [(1,), (1, 2, 3, 4), 3, "Xy", {"X": 1, "y": 2}, np.ones((2, 2))], ids=str)
def test_validation_data_are_a_pair_or_three(given: Any) -> None:
    with pytest.raises(ValueError, match=r"validation_data is \(X, y\) or \(X, y, sample_weight\), not"):
        classifier().fit(*digits(), validation_data=given)


def test_parameters_of_the_next_fit_do_not_change_the_last_one() -> None:
    X, y = counts()
    for parameters in ({"hidden_layer_sizes": (5, 4)}, {"loss": "poisson"}):
        ours = regressor(loss="squared_error").fit(X, y)
        before = ours.predict(X)
        np.testing.assert_array_equal(ours.set_params(**parameters).predict(X), before)


def test_what_is_refused_of_data() -> None:
    X, y = digits()
    with pytest.raises(ValueError, match="validation_data is for solver='sgd'"):
        classifier(solver="lbfgs").fit(X, y, validation_data=(X, y))
    with pytest.raises(ValueError, match="`y` has classes not in"):
        classifier().fit(X, y % 5, validation_data=(X, y))
    X, y = counts()
    with pytest.raises(ValueError, match="y has 1 outputs, and the targets trained on have 2"):
        regressor().fit(X, y, validation_data=(X, y[:, 0]))
    with pytest.raises(ValueError, match='loss="poisson" needs y >= 0'):
        regressor(loss="poisson").fit(X, -y)
    with pytest.raises(TypeError, match=r"y is a sparse matrix, and values have to be dense: use y.toarray\(\)"):
        regressor().fit(X, scipy.sparse.csr_array(y))
    X, y = labels()
    ours = classifier().partial_fit(X, y[:, 0], classes=[0, 1])
    with pytest.raises(ValueError):  # noqa: PT011  (scikit-learn's own, of several wordings)
        ours.partial_fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [({"backend": "numpy", "device": "cuda:0"}, BackendError), ({"backend": "abacus"}, ValueError)],
)
def test_a_backend_that_cannot_be_had(parameters: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        classifier(**parameters).fit(*digits())


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", -1), ("solver", "hadoken"), ("max_iter", 0), ("momentum", 2), ("hidden_layer_sizes", -1), ("beta_1", 1)],
)
def test_parameters_are_refused_in_scikit_learns_words(name: str, value: Any) -> None:
    said = []
    for cls in (sklearn.neural_network.MLPClassifier, MLPClassifier):
        with pytest.raises(ValueError, match=name) as caught:
            cls(**{name: value}).fit(*digits())
        said.append(str(caught.value).split(". Got")[0].rsplit(" must be", 1)[0])
    assert said[0] == said[1]


@pytest.mark.parametrize("sizes", [(2.5,), (5, 2.0), (0,), (3, -1)])
def test_layer_sizes_are_refused_in_scikit_learns_words(sizes: Any) -> None:
    said = []
    for cls in (sklearn.neural_network.MLPClassifier, MLPClassifier):
        with pytest.raises((TypeError, ValueError)) as caught:
            cls(hidden_layer_sizes=sizes).fit(*digits())
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize("sizes", [True, [True], (3, False)])
def test_truth_values_are_no_layer_sizes(sizes: Any) -> None:
    with pytest.raises(TypeError, match="has a truth value: give numbers of units"):
        classifier(hidden_layer_sizes=sizes).fit(*digits())


def test_a_fit_that_fails_leaves_the_estimator_as_it_was() -> None:
    X, y = digits()
    ours = classifier().fit(X, y)
    before, curve = ours.predict(X), list(ours.loss_curve_)
    words = np.where(y > 4, "high", "low")
    for given, parameters in (({}, {"class_weight": {99: 1.0}}), ({"validation_data": (X[:, 1:], words)}, {})):
        with pytest.raises(ValueError, match=r"not in class_weight|63 features"):
            ours.set_params(**parameters).fit(X, words, **given)
        ours.set_params(class_weight=None)
    with pytest.raises(RuntimeError):
        ours.set_params(callbacks=[_fail]).partial_fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), before)
    assert (ours.classes_.tolist(), ours.loss_curve_) == (list(range(10)), curve)
    fresh = classifier(class_weight={99: 1.0})
    with pytest.raises(ValueError, match="not in class_weight"):
        fresh.partial_fit(X, y, classes=range(11))
    fresh.set_params(class_weight=None).partial_fit(X, y, classes=range(10))


def _fail(estimator: MLPClassifier, row: EpochRow) -> bool:
    raise RuntimeError


def test_partial_fit_is_for_stochastic_solvers() -> None:
    assert not hasattr(classifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        classifier(early_stopping=True).partial_fit(*digits(), classes=range(10))
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        classifier().partial_fit(*digits())
