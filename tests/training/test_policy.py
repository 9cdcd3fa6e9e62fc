"""The stopping rule in edge cases; whole trainings that stop are in test_early_stopping.py and tests/estimator."""

from __future__ import annotations

import math

import pytest

from xpmlp.training.policy import EarlyStopping


@pytest.mark.parametrize(
    ("figure", "best", "strict", "inclusive"),
    [
        (1.0, math.inf, True, True),
        (0.5, 0.75, False, True),  # by exactly as much as is asked for
        (0.49, 0.75, True, True),
        (0.51, 0.75, False, False),
        (math.nan, 0.75, False, False),
        (math.nan, math.inf, False, False),
    ],
)
def test_an_improvement(figure: float, best: float, strict: bool, inclusive: bool) -> None:
    assert EarlyStopping(1, 0.25).improves(figure, best) is strict
    assert EarlyStopping(1, 0.25, inclusive=True).improves(figure, best) is inclusive


def test_patience() -> None:
    assert [EarlyStopping(2).is_exhausted(stalled) for stalled in range(4)] == [False, False, True, True]
    assert not EarlyStopping(math.inf).is_exhausted(10**9)
