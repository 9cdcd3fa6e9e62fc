"""Scikit-learn's schedule ``invscaling``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xpmlp.optim.schedules.schedule import Schedule, ScheduleSettings


def _value(settings: ScheduleSettings, done: int, losses: Sequence[float]) -> float:
    return settings.first * math.pow(done * settings.examples + 1, -settings.power_t)


inverse_scaling = Schedule(
    "inverse_scaling",
    "divided by `(examples seen + 1) ** power_t`",
    _value,
    by="epoch",
    keys=("power_t",),
    needs_length=False,
)
