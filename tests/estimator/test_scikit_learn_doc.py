"""What docs/scikit-learn.md shows runs, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.estimator.small import classifier, digits
from xpmlp import MLPClassifier

TEXT = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text()


@pytest.mark.slow  # a grid search
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_examples_run() -> None:
    pytest.importorskip("torch")
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
