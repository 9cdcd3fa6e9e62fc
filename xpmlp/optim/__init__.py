"""Optimisers as ``init``/``update`` pairs, and learning-rate schedules.

Like `xpmlp.nn`, this is array-API code and names no array library.
"""

from collections.abc import Callable

from xpmlp._records import RecordTable
from xpmlp.optim.adam import AdamState, adam
from xpmlp.optim.momentum import MomentumState, momentum
from xpmlp.optim.optimizer import Hyperparameters, Optimizer
from xpmlp.optim.schedules import Schedule, ScheduleSettings, schedules
from xpmlp.optim.sgd import SgdState, sgd

optimizers: RecordTable[Callable[..., Optimizer]] = RecordTable(
    "optimizer",
    Callable,
    {
        "sgd": sgd,
        "momentum": lambda: momentum(nesterov=False),
        "nesterov": lambda: momentum(nesterov=True),
        "adam": adam,
    },
)
"""Makers of optimisers by the name that the config gives them; only adam's takes arguments."""

__all__ = [
    "AdamState",
    "Hyperparameters",
    "MomentumState",
    "Optimizer",
    "Schedule",
    "ScheduleSettings",
    "SgdState",
    "adam",
    "momentum",
    "optimizers",
    "schedules",
    "sgd",
]
