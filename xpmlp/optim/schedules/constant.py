"""No schedule at all."""

from xpmlp.optim.schedules.schedule import Schedule

constant = Schedule(
    "constant",
    "unchanged throughout",
    lambda settings, done, losses: settings.first,
    by="epoch",
    needs_length=False,
)
