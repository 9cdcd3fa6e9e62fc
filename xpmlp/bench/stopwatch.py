"""A stopwatch for the steps of a training, without the work before them and between epochs."""

from __future__ import annotations

import time

from xpmlp.nn import Metric
from xpmlp.training import EpochRow, Progress, Reporter


class Stopwatch(Reporter):
    """Reporter that times the steps of trainings, segment by segment, and ends each after enough steps or seconds.

    The time is that of the training loop as users run it, including drawing orders, sending row numbers and reading
    losses, but not validation.

    Parameters
    ----------
    most_steps : int, optional
        End a training after the segment that reaches this many steps.
    most_seconds : float, optional
        End it after the segment that reaches this time, over all trainings together.

    Attributes
    ----------
    seconds : float
        Time of all steps so far.
    steps, examples : int
        Number done in this time.
    """

    def __init__(self, *, most_steps: int | None = None, most_seconds: float | None = None) -> None:
        self.most_steps, self.most_seconds = most_steps, most_seconds
        self.seconds, self.steps, self.examples = 0.0, 0, 0
        self._since, self._in_epoch, self._in_training = 0.0, 0, 0

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        """Start the clock."""
        self._in_epoch, self._in_training = 0, 0
        self._since = time.perf_counter()

    def segment(self, progress: Progress) -> None:
        """Count a segment."""
        now = time.perf_counter()
        steps = progress.step - self._in_epoch
        self.seconds += now - self._since
        self.steps += steps
        self.examples += progress.examples
        self._since, self._in_epoch, self._in_training = now, progress.step, self._in_training + steps

    def epoch(self, run: int, row: EpochRow) -> None:
        """Exclude the time after the epoch's last segment."""
        self._since, self._in_epoch = time.perf_counter(), 0

    def enough(self) -> bool:
        """Check whether the training should end: its ``should_stop``."""
        return (self.most_steps is not None and self._in_training >= self.most_steps) or (
            self.most_seconds is not None and self.seconds >= self.most_seconds
        )
