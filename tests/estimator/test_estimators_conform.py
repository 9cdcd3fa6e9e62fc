"""scikit-learn's own checks of estimators, all of them, without expected failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

WITH_DISPATCH = """
import sys, warnings
from sklearn.utils.estimator_checks import estimator_checks_generator
from xpmlp import MLPClassifier, MLPRegressor

done = set()
for estimator in (MLPClassifier(max_iter=20), MLPRegressor(max_iter=20)):
    for one, check in estimator_checks_generator(estimator):
        arguments = check.keywords
        namespace = arguments.get("array_namespace") or getattr(arguments.get("X_ns_and_device"), "xp", None)
        if namespace is None or namespace == "cupy":
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(one)
        except Exception as error:
            if type(error).__name__ != "SkipTest":
                raise
        else:
            done.add((check.func.__name__, namespace))
print(*(" ".join(pair) for pair in sorted(done)), sep="\\n")
"""


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([cls(max_iter=20, learning_rate_init=0.01) for cls in (MLPClassifier, MLPRegressor)])
def test_conforms(estimator: Any, check: Any) -> None:
    check(estimator)


def test_conforms_with_scikit_learns_dispatch() -> None:
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITH_DISPATCH], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    checked = done.stdout.splitlines()
    for namespace in ("array_api_strict", "torch"):
        assert f"check_array_api_input {namespace}" in checked
    assert "check_array_api_same_namespace array_api_strict" in checked
    assert "check_array_api_mixed_inputs torch" in checked
