"""Half a cosine, from the full value down to nearly zero at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xpmlp.optim.schedules.schedule import Schedule, ScheduleSettings


def _value(settings: ScheduleSettings, done: int, losses: Sequence[float]) -> float:
    """Compute ``first * (1 + cos(pi * done / length)) / 2``.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, equation 5, without
    restarts.
    """
    return settings.first * (1 + math.cos(math.pi * done / settings.length)) / 2


cosine = Schedule("cosine", "down to 0 along half a cosine", _value, by="epoch")
