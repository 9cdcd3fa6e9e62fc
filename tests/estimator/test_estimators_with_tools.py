"""scikit-learn's tools around our estimators."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import sklearn
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.estimator.small import classifier, digits, one_value, regressor, same_weights, two_classes
from xpmlp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROOT = Path(__file__).parents[2]

WITH_DISPATCH = """
import warnings
import numpy as np
import sklearn
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils._array_api import move_estimator_to
from array_api_compat import numpy as xnp
from xpmlp import MLPClassifier

warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
sklearn.set_config(array_api_dispatch=True)
X, y = load_digits(return_X_y=True)
X, y = torch.asarray(X[:200], dtype=torch.float32), torch.asarray(y[:200])
network = MLPClassifier(hidden_layer_sizes=(20,), max_iter=20, learning_rate_init=0.01, random_state=0)
for scaler in (StandardScaler(), MaxAbsScaler()):
    pipeline = make_pipeline(scaler, network).fit(X, y)
    assert isinstance(pipeline.predict(X), torch.Tensor)
    assert pipeline.predict_proba(X).dtype is torch.float32
    assert pipeline.score(X, y) > 0.8
assert cross_val_score(pipeline, X, y, cv=3).min() > 0.5
search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(X, y)
assert isinstance(search.predict(X), torch.Tensor)
calibrated = CalibratedClassifierCV(network, method="temperature", cv=2).fit(X, y)
assert isinstance(calibrated.predict_proba(X), torch.Tensor)
fitted = network.fit(X, y)
here = move_estimator_to(fitted, xnp, "cpu")
np.testing.assert_allclose(here.predict_proba(X.numpy()), fitted.predict_proba(X).numpy(), atol=1e-5)
here.partial_fit(X.numpy(), y.numpy())
"""


def test_clone_and_repr() -> None:
    ours = classifier(dropout=[0.1], backend="numpy").fit(*digits())
    other = clone(ours)
    assert other.get_params() == ours.get_params()
    assert not hasattr(other, "coefs_")
    assert repr(MLPClassifier(dropout=0.5)) == "MLPClassifier(dropout=0.5)"


def test_pipeline_and_cross_validation() -> None:
    X, y = digits()
    pipeline = make_pipeline(StandardScaler(), classifier(max_iter=20, learning_rate_init=0.02))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.7
    assert pipeline.fit(X, y).predict_proba(X).shape == (150, 10)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_in_parallel(backend: str) -> None:
    import joblib

    X, y = two_classes()
    grid = {"hidden_layer_sizes": [(5,), (6, 4)], "alpha": [1e-4, 1.0]}
    with joblib.parallel_config(backend, n_jobs=2):
        search = GridSearchCV(classifier(), grid, cv=2).fit(X, y)
    alone = GridSearchCV(classifier(), grid, cv=2).fit(X, y)
    assert search.best_params_ == alone.best_params_
    assert same_weights(search.best_estimator_, alone.best_estimator_)


@pytest.mark.slow
def test_joblib_brings_fitted_estimators_back() -> None:
    X, y = digits()
    fitted = Parallel(n_jobs=2)(delayed(classifier(random_state=seed).fit)(X, y) for seed in (0, 1))
    for seed, ours in enumerate(fitted):
        assert same_weights(ours, classifier(random_state=seed).fit(X, y))


def test_calibration_voting_and_bagging() -> None:
    X, y = digits()
    for ensemble in (
        CalibratedClassifierCV(classifier(max_iter=20), cv=2),
        VotingClassifier([("a", classifier()), ("b", classifier(activation="tanh"))], voting="soft"),
        BaggingClassifier(classifier(), n_estimators=2),
    ):
        np.testing.assert_allclose(ensemble.fit(X, y).predict_proba(X).sum(axis=1), 1)


def test_set_output_and_names_of_features() -> None:
    X, y = digits()
    table = polars.DataFrame(X, schema=[f"pixel {number}" for number in range(64)])
    pipeline = make_pipeline(VarianceThreshold(0.05), classifier()).set_output(transform="polars").fit(table, y)
    network = pipeline[-1]
    assert 0 < len(network.feature_names_in_) < 64
    assert network.feature_names_in_[0].startswith("pixel ")
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        classifier().fit(table, y).predict(table.rename({"pixel 0": "other"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        classifier().fit(table, y).predict(X)


def test_metadata_routing() -> None:
    X, y = digits()
    weights = np.linspace(0.1, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        network = (
            classifier().set_fit_request(sample_weight=True, validation_data=True).set_score_request(sample_weight=True)
        )
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network)
        pipeline.fit(X, y, sample_weight=weights, validation_data=(X, y))
        routed = cross_validate(network, X, y, params={"sample_weight": weights}, cv=2, return_estimator=True)
        without = cross_validate(classifier().set_fit_request(sample_weight=False), X, y, cv=2, return_estimator=True)
    assert len(pipeline[-1].validation_loss_curve_) == 4
    scaled = StandardScaler().fit_transform(X)
    assert same_weights(pipeline[-1], classifier().fit(scaled, y, weights))
    assert not same_weights(routed["estimator"][0], without["estimator"][0])


def test_scoring_by_name() -> None:
    X, y = one_value()
    scores = cross_val_score(regressor(max_iter=50), X, y, cv=2, scoring="neg_mean_squared_error")
    assert (scores < 0).all()


def test_tags() -> None:
    for ours in (classifier(), regressor()):
        tags = sklearn.utils.get_tags(ours)
        assert tags.array_api_support
        assert tags.input_tags.sparse
    assert sklearn.utils.get_tags(classifier()).classifier_tags.multi_label


@pytest.mark.slow  # a process of its own: dispatch needs a variable that is read when SciPy is imported
def test_arrays_in_tools_with_dispatch() -> None:
    environment: dict[str, Any] = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITH_DISPATCH], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
