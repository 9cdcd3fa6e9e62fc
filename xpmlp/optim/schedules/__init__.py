"""Schedules, each a record in its own file, and the table of them by their names in a config."""

from xpmlp._records import RecordTable
from xpmlp.optim.schedules.adaptive import adaptive
from xpmlp.optim.schedules.constant import constant
from xpmlp.optim.schedules.cosine import cosine
from xpmlp.optim.schedules.coslog import coslog
from xpmlp.optim.schedules.flat_cosine import flat_cosine
from xpmlp.optim.schedules.inverse_scaling import inverse_scaling
from xpmlp.optim.schedules.linear import linear
from xpmlp.optim.schedules.one_cycle import one_cycle
from xpmlp.optim.schedules.schedule import Schedule, ScheduleSettings

_ALL = (constant, inverse_scaling, adaptive, cosine, linear, one_cycle, flat_cosine, coslog)

schedules = RecordTable("schedule", Schedule, {schedule.name: schedule for schedule in _ALL})
"""Schedules by their names in a config."""

__all__ = ["Schedule", "ScheduleSettings", "schedules"]
