"""Schedules against scikit-learn's optimiser, PyTorch's and optax's schedules, and by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from xpmlp.optim import ScheduleSettings, schedules

SETTINGS = ScheduleSettings(first=0.2, length=8, examples=50, power_t=0.4, tol=0.01, n_iter_no_change=2)


def values(name: str, done: Iterable[int], settings: ScheduleSettings = SETTINGS) -> list[float]:
    """The values of a schedule that needs no losses."""
    return [schedules[name].value(settings, one, []) for one in done]


def test_constant() -> None:
    assert values("constant", range(4)) == [0.2] * 4


def test_inverse_scaling_is_scikit_learns() -> None:
    optimizer = SGDOptimizer([np.zeros(1)], 0.2, lr_schedule="invscaling", power_t=0.4)
    for epoch in range(6):
        assert values("inverse_scaling", [epoch]) == pytest.approx([optimizer.learning_rate], rel=1e-14)
        optimizer.iteration_ends((epoch + 1) * SETTINGS.examples)


def scikit_learn_adaptive(losses: list[float]) -> list[float]:
    """The rate of each epoch, by MLPClassifier's ``_fit_stochastic`` and ``_update_no_improvement_count``."""
    optimizer = SGDOptimizer([np.zeros(1)], SETTINGS.first, lr_schedule="adaptive")
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
    actual = [schedules["adaptive"].value(SETTINGS, epoch, losses[:epoch]) for epoch in range(len(expected))]
    assert actual == pytest.approx(expected, rel=1e-14)
    if divisions is not None:
        assert actual[-1] == pytest.approx(0.2 / 5**divisions)


def test_adaptive_leaves_a_tiny_rate_alone() -> None:
    settings = SETTINGS._replace(first=4e-6)
    # one division makes 8e-7, under 1e-6: scikit-learn would stop here, a schedule does not
    assert schedules["adaptive"].value(settings, 100, [1.0] * 100) == pytest.approx(8e-7)


def test_cosine() -> None:
    # 8 epochs: cos(0) = 1, cos(pi/4) = 1/sqrt(2), cos(pi/2) = 0, cos(7 pi/8) = -0.92388
    assert values("cosine", (0, 2, 4, 7)) == pytest.approx(
        [0.2, 0.1 * (1 + 0.5**0.5), 0.1, 0.1 * (1 - 0.9238795325112867)], rel=1e-12
    )


def test_values_by_hand() -> None:
    assert values("linear", (0, 2, 8)) == pytest.approx([0.2, 0.15, 0.0], rel=1e-15)
    assert values("flat_cosine", (0, 3, 4, 6, 8)) == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.0], abs=1e-16)
    # with 1 + 15 t = 2, 4, 8, 16 a wave ends, at sqrt(2) of the last of them it is at its height
    fifteenths = SETTINGS._replace(length=15)
    assert values("coslog", (0, 1, 3, 7, 15), fifteenths) == pytest.approx([0.0] * 5, abs=1e-15)
    many = SETTINGS._replace(length=15_000_000)
    assert values("coslog", [round(1e6 * (2**0.5 - 1))], many) == pytest.approx([0.2], rel=1e-12)
    # up to the full value at 0.3, half of what lies between at 0.15 and 0.65
    cycle = values("one_cycle", (0, 15, 30, 65, 100), SETTINGS._replace(length=100))
    low, end = 0.2 / 25, 0.2 / 250_000
    assert cycle == pytest.approx([low, (low + 0.2) / 2, 0.2, (end + 0.2) / 2, end], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("constant", lambda lr, optimizer: lr.ConstantLR(optimizer, factor=1.0)),
        ("cosine", lambda lr, optimizer: lr.CosineAnnealingLR(optimizer, T_max=50)),
        ("linear", lambda lr, optimizer: lr.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=50)),
    ],
)
def test_by_step_they_are_pytorchs(name: str, oracle: Any) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler, expected = oracle(torch.optim.lr_scheduler, optimizer), []
    for _ in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert values(name, range(50), SETTINGS._replace(length=50)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("cosine", lambda optax: optax.cosine_decay_schedule(0.2, 50)),
        ("linear", lambda optax: optax.linear_schedule(0.2, 0.0, 50)),
        ("one_cycle", lambda optax: optax.cosine_onecycle_schedule(50, 0.2)),
        (
            "flat_cosine",
            lambda optax: optax.join_schedules(
                [optax.constant_schedule(0.2), optax.cosine_decay_schedule(0.2, 25)], [25]
            ),
        ),
    ],
)
def test_by_step_they_are_optaxs(name: str, oracle: Any) -> None:
    optax = pytest.importorskip("optax")
    import jax

    with jax.enable_x64(True):
        schedule = oracle(optax)
        expected = [float(schedule(jax.numpy.asarray(step, "float64"))) for step in range(50)]
    assert values(name, range(50), SETTINGS._replace(length=50)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_records_are_under_their_names_and_say_what_they_read() -> None:
    assert list(schedules) == [schedule.name for schedule in schedules.values()]
    for schedule in schedules.values():
        assert set(schedule.keys) <= set(ScheduleSettings._fields)
        longer = [schedule.value(SETTINGS._replace(length=length), 3, [1.0]) for length in (8, 16)]
        assert (longer[0] != longer[1]) is schedule.needs_length or schedule.name == "flat_cosine"
        if not schedule.needs_losses:  # proportional to the first value, so that a stack computes them once
            unit = schedule.value(SETTINGS._replace(first=1.0), 3, [])
            assert 0.2 * unit == schedule.value(SETTINGS, 3, [])
