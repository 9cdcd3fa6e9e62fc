"""Scikit-learn's schedule ``adaptive``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xpmlp.optim.schedules.schedule import Schedule, ScheduleSettings


def _value(settings: ScheduleSettings, done: int, losses: Sequence[float]) -> float:
    """Divide by 5 whenever the loss was above the best less tol for more than ``n_iter_no_change`` epochs in a row.

    A value of 1e-6 or less is left as it is.
    """
    value, best, stalled = settings.first, math.inf, 0
    for loss in losses:
        stalled = stalled + 1 if loss > best - settings.tol else 0
        best = min(best, loss)
        if stalled > settings.n_iter_no_change and value > 1e-6:
            value, stalled = value / 5, 0
    return value


adaptive = Schedule(
    "adaptive",
    "divided by 5 whenever the training loss stalls",
    _value,
    by="epoch",
    keys=("tol", "n_iter_no_change"),
    needs_losses=True,
    needs_length=False,
)
