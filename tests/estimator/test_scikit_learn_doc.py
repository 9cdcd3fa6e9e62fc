"""The examples in docs/scikit-learn.md run, and the names in it exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.neural_network

from tests.estimator.small import classifier, digits, one_value, regressor
from xpmlp import MLPClassifier

TEXT = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text()


@pytest.mark.slow  # a grid search
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_examples_run() -> None:
    pytest.importorskip("torch", reason="one of the examples trains on PyTorch's tensors: it is not installed")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "cupy" not in block]
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)


def test_the_parameters_beyond_scikit_learns_are_all_named() -> None:
    from sklearn.neural_network import MLPClassifier as Theirs

    for name in MLPClassifier().get_params().keys() - Theirs().get_params().keys():
        assert f"`{name}" in TEXT, name


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_attributes_named_are_there() -> None:
    X, y = digits()
    assert len(classifier().fit(X, y, validation_data=(X, y)).validation_loss_curve_) == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_the_table_of_differences_says_of_both() -> None:
    X, y = digits()
    Theirs = sklearn.neural_network.MLPClassifier
    parameters = {"hidden_layer_sizes": (4,), "max_iter": 2, "shuffle": False, "batch_size": 50, "warm_start": True}
    theirs, ours = Theirs(**parameters), MLPClassifier(**parameters)
    weights = np.where(np.arange(len(y)) < 50, 0.0, 1.0)
    with pytest.raises(ZeroDivisionError):
        theirs.fit(X, y, weights)
    assert np.isfinite(ours.fit(X, y, weights).loss_)
    theirs, ours = Theirs(**parameters).fit(X, y), ours.fit(X, y)
    assert theirs.set_params(hidden_layer_sizes=(5,)).fit(X, y).coefs_[0].shape == (64, 4)
    with pytest.raises(ValueError, match="does not fit the layers"):
        ours.set_params(hidden_layer_sizes=(5,)).fit(X, y)
    for estimator, dtype in ((Theirs(**parameters), "float64"), (MLPClassifier(**parameters), "float32")):
        assert estimator.fit(X.astype(np.float32), y).predict_proba(X).dtype == dtype
    with pytest.raises(ValueError, match="strings"):
        theirs.predict(X.astype(str))
    np.testing.assert_array_equal(ours.predict(X.astype(str)), ours.predict(X))
    X, y = one_value()
    assert sklearn.neural_network.MLPRegressor(solver="lbfgs", max_iter=2).partial_fit(X, y).n_iter_ == 2
    assert not hasattr(regressor(solver="lbfgs"), "partial_fit")
