"""Contention for the cores: helpers work on a quiet machine and are dismissed while other programs have their cores.

Waiting at a barrier for a worker that the system has suspended takes milliseconds.  So a leader keeps an account of the
time that its helpers save (`loop`), and continues alone when it is overdrawn.  From time to time it tries them again.
Beside busy programs a training thus takes hardly longer than on one thread.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled import loop

LIMIT_SECONDS = 0.002
"""Cost at which helpers are dismissed: less than a time slice that the system gives to another program."""

CALL_SECONDS = 0.00002
"""Approximate time that a call of the loop takes by itself."""

WAIT_SECONDS, WAIT_STEPS = 0.001, 0.4
"""Maximum wait of a leader for its helpers: in seconds, and in steps (about the extra cost of one taken alone)."""

SHORT_SECONDS = 0.001
"""Work of up to this time is done by the leader alone: calling helpers takes a quarter of it."""

PROBE_STEPS, PROBE_SECONDS = 6, 0.001
"""Number of steps, and their maximum time, that the leader carries out alone to measure the time of one."""

WINDOW_SECONDS, LEAST_WEIGHT = 0.02, 0.125
"""Time over which a step's time is averaged, and the minimum weight of a measurement in the mean."""

FRESH_SECONDS = 1.0
"""Time for which a measured step time is valid."""

MOST_PATIENCE = 32
"""Maximum time without helpers that keep costing more than they save, in multiples of the last trial's cost: trials
take under 5% of the time.
"""


class Span(NamedTuple):
    """Steps of a program carried out in one call.

    Attributes
    ----------
    first, last : int
        The first step, and the one to stop before.
    helpers : int
        Number of helpers to call.
    pace : (FIGURES,) of int64
        Figures for `execute`.
    begin : float
        Start in seconds, by `time.perf_counter`.
    """

    first: int
    last: int
    helpers: int
    pace: npt.NDArray[np.int64]
    begin: float


class Clock:
    """Rate of the processor's clock."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self.ticks_per_second: float | None = None
        """``None`` until measured; 0 where a program may not read the processor's clock."""

    def compare(self, seconds: float, ticks: int) -> None:
        """Measure the rate from readings of both clocks at one moment."""
        if self._first is None:
            self._first = seconds, ticks
        elif seconds - self._first[0] > PROBE_SECONDS:
            self.ticks_per_second = max(0.0, (ticks - self._first[1]) / (seconds - self._first[0]))


CLOCK = Clock()


class Contention:
    """Choice of how many steps of a program to carry out next, and whether by the leader alone.

    Parameters
    ----------
    helpers : int
        Number of the program's parts, less one.
    """

    def __init__(self, helpers: int) -> None:
        self._helpers = helpers
        self._alone, self._alone_at, self._is_warm = 0.0, -math.inf, False  # ticks of a step
        self._account, self._losing, self._gained = math.inf, 0.0, 0.0  # ticks, since helpers were last dismissed
        self._retry_at, self._patience = -math.inf, 1

    def next_span(self, step: int, steps: int) -> Span:
        """Choose the next span, from ``step`` on, of ``steps`` in all."""
        pace, now, rate = np.zeros(loop.FIGURES, np.int64), time.perf_counter(), CLOCK.ticks_per_second
        if self._helpers == 0 or rate == 0.0:  # nobody to call, or no clock to judge them by
            return Span(step, steps, 0, pace, now)
        if rate is None or not self._alone or now - self._alone_at > FRESH_SECONDS:
            probe = (
                min(PROBE_STEPS, math.ceil(PROBE_SECONDS * rate / self._alone)) if rate and self._alone else PROBE_STEPS
            )
            return Span(step, min(step + probe, steps), 0, pace, now)
        if (steps - step) * self._alone < SHORT_SECONDS * rate:
            return Span(step, steps, 0, pace, now)
        if now < self._retry_at:
            return Span(step, min(step + math.ceil((self._retry_at - now) * rate / self._alone), steps), 0, pace, now)
        pace[loop.ALLOWANCE] = self._alone
        pace[loop.WAIT] = min(WAIT_SECONDS * rate, WAIT_STEPS * self._alone)
        pace[loop.LIMIT] = max(LIMIT_SECONDS * rate, 2 * self._alone)
        pace[loop.ACCOUNT], pace[loop.LOSING] = min(self._account, pace[loop.LIMIT]), self._losing
        return Span(step, steps, self._helpers, pace, now)

    def learn(self, span: Span, reached: int) -> None:
        """Update the estimates from a span that was carried out up to the step ``reached``."""
        now, pace = time.perf_counter(), span.pace
        CLOCK.compare(now, int(pace[loop.END]))
        rate = CLOCK.ticks_per_second
        if pace[loop.ALONE_STEPS]:
            self._keep(int(pace[loop.ALONE_STEPS]), int(pace[loop.ALONE_TICKS]), now)
        if not span.helpers or not rate:
            return
        passed = pace[loop.END] - pace[loop.BEGIN]
        called = max(0.0, (now - span.begin - CALL_SECONDS) * rate - passed)
        steps = reached - span.first - pace[loop.ALONE_STEPS]
        self._gained += steps * self._alone - (passed - pace[loop.ALONE_TICKS]) - called
        self._account, self._losing = pace[loop.ACCOUNT] - called, pace[loop.LOSING] + called
        if reached < span.last or self._account < 0:
            self._patience = 1 if self._gained > 0 else min(2 * self._patience, MOST_PATIENCE)
            self._retry_at = now + self._patience * self._losing / rate
            self._account, self._losing, self._gained = math.inf, 0.0, 0.0

    def _keep(self, steps: int, ticks: int, now: float) -> None:
        """Update the mean step time of the leader alone; the very first steps, which load the caches, do not count."""
        if self._is_warm:
            window = WINDOW_SECONDS * (CLOCK.ticks_per_second or 0.0)
            weight = min(1.0, max(LEAST_WEIGHT, ticks / window)) if self._alone and window else 1.0
            self._alone += weight * (ticks / steps - self._alone)
            self._alone_at = now
        self._is_warm = True


class Always(Contention):
    """Contention that calls all helpers for every step, whatever they save: for measurements and tests."""

    def next_span(self, step: int, steps: int) -> Span:
        """Return all remaining steps, with all helpers."""
        pace = np.zeros(loop.FIGURES, np.int64)
        pace[loop.ALLOWANCE] = pace[loop.WAIT] = loop.NEVER
        return Span(step, steps, self._helpers, pace, time.perf_counter())

    def learn(self, span: Span, reached: int) -> None:
        """Do nothing."""
