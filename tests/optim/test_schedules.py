"""Learning-rate schedules against scikit-learn's optimiser, driven as its training loop drives it, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from xpmlp.optim import ScheduleSettings, schedules

SETTINGS = ScheduleSettings(learning_rate=0.2, epochs=8, examples=50, power_t=0.4, tol=0.01, n_iter_no_change=2)


def test_constant() -> None:
    assert [schedules["constant"](SETTINGS, epoch, [1.0] * epoch) for epoch in range(4)] == [0.2] * 4


def test_inverse_scaling_is_scikit_learns() -> None:
    optimizer = SGDOptimizer([np.zeros(1)], 0.2, lr_schedule="invscaling", power_t=0.4)
    for epoch in range(6):
        assert schedules["inverse_scaling"](SETTINGS, epoch, []) == pytest.approx(optimizer.learning_rate, rel=1e-14)
        optimizer.iteration_ends((epoch + 1) * SETTINGS.examples)


def scikit_learn_adaptive(losses: list[float]) -> list[float]:
    """The rate of each epoch, by MLPClassifier's ``_fit_stochastic`` and ``_update_no_improvement_count``."""
    optimizer = SGDOptimizer([np.zeros(1)], SETTINGS.learning_rate, lr_schedule="adaptive")
    best, count, rates = math.inf, 0, [optimizer.learning_rate]
    for loss in losses:
        count = count + 1 if loss > best - SETTINGS.tol else 0
        best = min(best, loss)
        if count > SETTINGS.n_iter_no_change:
            if optimizer.trigger_stopping("", verbose=False):
                break
            count = 0
        rates.append(optimizer.learning_rate)
    return rates


FALLING = [1 - 0.05 * epoch for epoch in range(12)]
FLAT = [1.0] * 12
CREEPING = [1 - 0.005 * epoch for epoch in range(12)]
NOISY = (1 + 0.3 * np.random.default_rng(3).normal(size=40)).tolist()


@pytest.mark.parametrize(
    ("losses", "divisions"),
    [(FALLING, 0), (FLAT, 3), (CREEPING, 3), (NOISY, None)],
    ids=["falling", "flat", "creeping", "noisy"],
)
def test_adaptive_is_scikit_learns(losses: list[float], divisions: int | None) -> None:
    expected = scikit_learn_adaptive(losses)
    actual = [schedules["adaptive"](SETTINGS, epoch, losses[:epoch]) for epoch in range(len(expected))]
    assert actual == pytest.approx(expected, rel=1e-14)
    if divisions is not None:
        assert actual[-1] == pytest.approx(0.2 / 5**divisions)


def test_adaptive_does_not_look_ahead() -> None:
    assert schedules["adaptive"](SETTINGS, 2, FLAT) == SETTINGS.learning_rate


def test_adaptive_leaves_a_tiny_rate_alone() -> None:
    settings = SETTINGS._replace(learning_rate=4e-6)
    # one division makes 8e-7, under 1e-6: scikit-learn would stop here, a schedule does not
    assert schedules["adaptive"](settings, 100, [1.0] * 100) == pytest.approx(8e-7)


def test_cosine() -> None:
    # 8 epochs: cos(0) = 1, cos(pi/4) = 1/sqrt(2), cos(pi/2) = 0, cos(7 pi/8) = -0.92388
    rates = [schedules["cosine"](SETTINGS, epoch, []) for epoch in (0, 2, 4, 7)]
    assert rates == pytest.approx([0.2, 0.1 * (1 + 0.5**0.5), 0.1, 0.1 * (1 - 0.9238795325112867)], rel=1e-12)
