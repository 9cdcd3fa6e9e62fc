"""Learning-rate schedules: the rate of an epoch as a function of what came before.

A schedule has no state.  It is given the epoch and the training losses of the epochs before it, so that a resumed
training finds the same rate without having stored it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from xpmlp._records import RecordTable


class ScheduleSettings(NamedTuple):
    """What schedules depend on.

    Attributes
    ----------
    learning_rate : float
        The initial rate.
    epochs : int
        The length of the training (cosine).
    power_t : float
        The exponent of inverse scaling.
    tol, n_iter_no_change : float, int
        By how much, and within how many epochs, the training loss must fall (adaptive).
    examples : int
        Examples in an epoch (inverse scaling).
    """

    learning_rate: float
    epochs: int
    examples: int
    power_t: float = 0.5
    tol: float = 1e-4
    n_iter_no_change: int = 10


Schedule = Callable[[ScheduleSettings, int, Sequence[float]], float]
"""(settings, epoch, losses of the epochs before) -> learning rate of ``epoch``, which counts from 0."""


def constant(settings: ScheduleSettings, epoch: int, losses: Sequence[float]) -> float:
    """The same rate throughout."""
    return settings.learning_rate


def inverse_scaling(settings: ScheduleSettings, epoch: int, losses: Sequence[float]) -> float:
    """``learning_rate / (t + 1) ** power_t`` with ``t`` the examples seen (scikit-learn's ``invscaling``)."""
    return settings.learning_rate * math.pow(epoch * settings.examples + 1, -settings.power_t)


def adaptive(settings: ScheduleSettings, epoch: int, losses: Sequence[float]) -> float:
    """A fifth of the rate, each time the training loss has stopped falling (scikit-learn's ``adaptive``).

    That is: for more than ``n_iter_no_change`` epochs in a row the loss was above the best one less ``tol``.  A
    rate of 1e-6 or less is left as it is.
    """
    rate, best, stalled = settings.learning_rate, math.inf, 0
    for loss in losses[:epoch]:
        stalled = stalled + 1 if loss > best - settings.tol else 0
        best = min(best, loss)
        if stalled > settings.n_iter_no_change and rate > 1e-6:
            rate, stalled = rate / 5, 0
    return rate


def cosine(settings: ScheduleSettings, epoch: int, losses: Sequence[float]) -> float:
    """From the full rate in the first epoch down to nearly zero in the last, along half a cosine.

    ``learning_rate * (1 + cos(pi * epoch / epochs)) / 2``: Loshchilov and Hutter, SGDR, ICLR 2017, equation 5,
    without restarts.
    """
    return settings.learning_rate * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2


schedules: RecordTable[Schedule] = RecordTable(
    "schedule",
    Callable,
    {"constant": constant, "inverse_scaling": inverse_scaling, "adaptive": adaptive, "cosine": cosine},
)
