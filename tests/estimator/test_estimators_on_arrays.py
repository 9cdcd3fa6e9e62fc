"""Arrays of any library stay in their namespace, on their device and in their dtype; scikit-learn's dispatch is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.estimator.small import (
    ON_EACH_LIBRARY,
    classifier,
    digits,
    labels,
    on,
    one_value,
    regressor,
    two_classes,
    values,
)
from tests.helpers import assert_close, assert_lives_on, cases, tolerance
from xpmlp.backend import Backend
from xpmlp.estimator.places import to_host
from xpmlp.nn import losses

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS: list[dict[str, Any]] = [{}, {"solver": "sgd", "early_stopping": True}, {"solver": "lbfgs"}]


@pytest.mark.parametrize("backend", cases("jax", dtype="float32"), indirect=True)
def test_jax(backend: Backend) -> None:  # the one test of it that is not slow
    X, y = digits()
    here = on(backend, X)
    ours = classifier().fit(here, on(backend, y))
    assert_close(ours.predict_proba(here), classifier().fit(X, y).predict_proba(X), 1e-3, backend)


@pytest.mark.parametrize("parameters", SOLVERS, ids=str)
@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_classifier(backend: Backend, parameters: dict[str, Any]) -> None:
    X, y = digits()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
    here = on(backend, X)
    ours = classifier(**parameters).fit(here, on(backend, y), on(backend, weights))
    host = classifier(**parameters).fit(X.astype(np.float32), y, weights)
    for mine, other in zip([*ours.coefs_, *ours.intercepts_], [*host.coefs_, *host.intercepts_], strict=True):
        assert_close(mine, other, 1e-3, backend)
    for method in ("predict_proba", "predict_log_proba"):
        assert_close(getattr(ours, method)(here), getattr(host, method)(X), 1e-3, backend)
    assert_lives_on(ours.classes_, backend)
    assert_lives_on(ours.predict(here), backend)
    np.testing.assert_array_equal(to_host(ours.predict(here)), host.predict(X))
    assert ours.score(here, on(backend, y)) == host.score(X, y)
    assert isinstance(ours.loss_curve_[0] if ours.solver != "lbfgs" else ours.loss_, float)


@pytest.mark.parametrize("data", [values, one_value], ids=lambda data: data.__name__)
@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_regressor(backend: Backend, data: Any) -> None:
    X, y = data()
    here = on(backend, X)
    ours, host = regressor().fit(here, on(backend, y)), regressor().fit(X.astype(np.float32), y)
    assert_close(ours.predict(here), host.predict(X), 1e-4, backend)
    assert ours.score(here, on(backend, y)) == pytest.approx(host.score(X, y), abs=1e-4)


@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_several_labels_and_two_classes(backend: Backend) -> None:
    X, y = labels()
    here = on(backend, X)
    ours = classifier().fit(here, on(backend, y))
    np.testing.assert_array_equal(to_host(ours.predict(here)), classifier().fit(X.astype(np.float32), y).predict(X))
    assert_lives_on(ours.predict(here), backend)
    X, y = two_classes()
    here = on(backend, X)
    numbers = on(backend, np.where(y == "odd", 5, 3))
    ours = classifier(max_iter=20).fit(here, numbers)
    assert set(to_host(ours.predict(here)).tolist()) == {3, 5}
    assert_close(
        ours.predict_proba(here)[:, 1], classifier(max_iter=20).fit(X, y).predict_proba(X)[:, 1], 1e-3, backend
    )


@pytest.mark.parametrize("backend", cases("strict", "torch", dtype="float32")[:4], indirect=True)
def test_targets_and_weights_follow_the_features(backend: Backend) -> None:
    X, y = digits()
    weights = np.linspace(0.5, 2, len(X))
    together = classifier().fit(on(backend, X), on(backend, y), on(backend, weights))
    for targets, given in ((y, weights), (y.tolist(), weights.tolist()), (y.astype(str), weights)):
        ours = classifier().fit(on(backend, X), targets, given)
        for mine, other in zip(ours.coefs_, together.coefs_, strict=True):
            np.testing.assert_array_equal(to_host(mine), to_host(other))
    predicted = ours.predict(on(backend, X))
    assert isinstance(predicted, np.ndarray), "no other library has strings"
    np.testing.assert_array_equal(predicted.astype(int), to_host(together.predict(on(backend, X))))


@pytest.mark.parametrize("backend", cases("strict", "torch", dtype="float64"), indirect=True)
def test_float64_stays_float64(backend: Backend) -> None:
    X, y = digits()
    ours = classifier().fit(on(backend, X), y)
    assert_close(ours.coefs_[0], classifier().fit(X, y).coefs_[0], tolerance(backend, 1e-4, 1e-9), backend)


def test_a_device_without_float64(get_backend: Any) -> None:
    backend = get_backend("strict", "no_float64")
    X, y = digits()
    ours = classifier().fit(backend.asarray((16 * X).astype(np.int32)), y)
    assert_lives_on(ours.coefs_[0], backend)
    assert ours.coefs_[0].dtype == backend.xp.float32


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "int64", "uint8"])
def test_dtypes(given: str, dtype: str | None, get_backend: Any) -> None:
    X, y = digits()
    numbers = (16 * X).astype(given)
    expected = dtype or ("float32" if given == "float32" else "float64")
    ours = classifier(dtype=dtype).fit(numbers, y)
    assert {ours.coefs_[0].dtype, ours.intercepts_[0].dtype, ours.predict_proba(numbers).dtype} == {np.dtype(expected)}
    backend = get_backend("strict", "device1", expected)
    elsewhere = classifier(dtype=dtype).fit(backend.asarray(numbers), y)
    assert_close(elsewhere.predict_proba(backend.asarray(numbers)), ours.predict_proba(numbers), 1e-5, backend)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "partial_fit"])
def test_arrays_of_another_place_than_fitted_are_refused(method: str, get_backend: Any) -> None:
    X, y = digits()
    strict, other = get_backend("strict", "device1"), get_backend("strict", "cpu")
    arguments = (y,) if method == "partial_fit" else ()
    for fitted, given in ((on(strict, X), X), (X, on(strict, X)), (on(strict, X), on(other, X))):
        ours = classifier().fit(fitted, y)
        with pytest.raises(
            ValueError, match=rf"MLPClassifier.{method}\(\) must use the same namespace and the same de"
        ):
            getattr(ours, method)(given, *arguments)


def test_computing_elsewhere_gives_results_where_the_features_are(get_backend: Any) -> None:
    get_backend("strict", "device1")
    X, y = digits()
    here = classifier().fit(X, y)
    ours = classifier(backend="strict", device="device1").fit(X, y)
    assert isinstance(ours.coefs_[0], np.ndarray)
    assert isinstance(ours.predict_proba(X), np.ndarray)
    np.testing.assert_allclose(ours.predict_proba(X), here.predict_proba(X), atol=1e-12)
    ours.partial_fit(X, y)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "Expected 2D array, got 1D array instead"),
        (np.ones((2, 2, 2)), "Found array with dim 3, while dim <= 2 is required by MLPClassifier"),
        (np.ones((0, 2)), r"Found array with 0 sample\(s\)"),
        (np.ones((2, 0)), r"Found array with 0 feature\(s\)"),
        (np.array([[1, np.nan], [0, 1]]), "Input X contains NaN"),
        (np.array([[1, np.inf], [0, 1]]), "Input X contains infinity"),
        (np.ones((2, 2), complex), "Complex data not supported"),
        (np.ones((3, 2)), "inconsistent numbers of samples"),
    ],
)
def test_bad_arrays_are_refused_in_the_same_words(array: Any, message: str, get_backend: Any) -> None:
    backend = get_backend("strict", "device1")
    for X in (array, backend.asarray(array)):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, [0, 1])


def test_another_number_of_features_is_refused(get_backend: Any) -> None:
    backend = get_backend("strict", "device1")
    X, y = digits()
    ours = classifier().fit(on(backend, X), y)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 64 features as input"):
        ours.predict(on(backend, X[:, :3]))


def test_every_loss_has_an_output_activation() -> None:
    from xpmlp.estimator.fitted import OUT_ACTIVATIONS

    assert set(OUT_ACTIVATIONS) == set(losses)
