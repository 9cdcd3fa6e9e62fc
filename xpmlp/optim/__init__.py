"""Optimisers over trees of gradients, composed of few pieces, and learning-rate schedules.

Like `xpmlp.nn`, this is array-API code and names no array library.  `optimizers` is the table of the optimisers, one
file each; `compose` makes one of a rule and the pieces before and after it: `l2_penalty`, `decoupled_decay`,
`clip_by_global_norm` and `averaged`.
"""

from xpmlp._records import RecordTable
from xpmlp.optim.adam import ADAM, ADAMW, AdamState, adam, adamw
from xpmlp.optim.averaging import AverageState, averaged
from xpmlp.optim.clipping import clip_by_global_norm
from xpmlp.optim.decay import decoupled_decay, l2_penalty
from xpmlp.optim.momentum import MOMENTUM, NESTEROV, MomentumState, momentum
from xpmlp.optim.optimizer import Hyperparameters, Optimizer, Piece, compose
from xpmlp.optim.record import Hyperparameter, OptimizerRecord
from xpmlp.optim.schedules import Schedule, ScheduleSettings, schedules
from xpmlp.optim.sgd import SGD, sgd

optimizers = RecordTable(
    "optimizer", OptimizerRecord, {one.name: one for one in (SGD, MOMENTUM, NESTEROV, ADAM, ADAMW)}
)
"""Optimisers by their names in a config."""


def users_of(hyperparameter: str) -> tuple[str, ...]:
    """Return the names of the optimisers that have a hyperparameter.

    Examples
    --------
    >>> users_of("beta_1")
    ('adam', 'adamw')
    """
    return tuple(name for name, one in optimizers.items() if hyperparameter in one.hyperparameters)


__all__ = [
    "AdamState",
    "AverageState",
    "Hyperparameter",
    "Hyperparameters",
    "MomentumState",
    "Optimizer",
    "OptimizerRecord",
    "Piece",
    "Schedule",
    "ScheduleSettings",
    "adam",
    "adamw",
    "averaged",
    "clip_by_global_norm",
    "compose",
    "decoupled_decay",
    "l2_penalty",
    "momentum",
    "optimizers",
    "schedules",
    "sgd",
    "users_of",
]
