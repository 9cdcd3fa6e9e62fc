"""scikit-learn's own tests of its multilayer perceptrons, from its installation, run on our estimators."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from unittest import mock

import pytest
import sklearn.neural_network

import xpmlp

pytestmark = pytest.mark.slow

if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9):
    pytest.skip(
        f"the estimators are held to the tests of scikit-learn 1.9, and {sklearn.__version__} is installed",
        allow_module_level=True,
    )

PRIVATE = {
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer",
    "test_adaptive_learning_rate": "_optimizer",
    "test_n_iter_no_change": "_no_improvement_count",
    "test_n_iter_no_change_inf": "_no_improvement_count",
}
"""Tests that read or call a private attribute, which ours have not, by its name."""


def _theirs() -> ModuleType:
    """Import a copy of their tests that takes the estimators from this package."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    ours = {"MLPClassifier": xpmlp.MLPClassifier, "MLPRegressor": xpmlp.MLPRegressor}
    with mock.patch.multiple(sklearn.neural_network, **ours):
        spec.loader.exec_module(module)
    return module


TESTS = {name: test for name, test in vars(_theirs()).items() if name.startswith("test_")}

LONG = (
    "test_partial_fit_classification",
    "test_partial_fit_regression",
    "test_mlp_loading_from_joblib_partial_fit",
    "test_multilabel_classification",
    "test_n_iter_no_change_inf",
)
"""Tests that train for hundreds of epochs: shorter ones of the same remain."""

# what pytest finds in this module is a test of it
globals().update(
    {name: pytest.mark.slow(test) if name in LONG else test for name, test in TESTS.items() if name not in PRIVATE}
)


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's fixture of this name, with its default."""
    return 42


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in PRIVATE]
)
def test_what_is_left_out_needs_a_private_attribute(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{PRIVATE[name]}'"):
        TESTS[name]()
