"""A straight line down to zero."""

from xpmlp.optim.schedules.schedule import of_progress

linear = of_progress("linear", "down to 0 along a straight line", lambda progress: 1 - progress)
