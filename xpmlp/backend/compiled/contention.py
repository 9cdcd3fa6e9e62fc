"""Contention for the cores: helpers pay on a quiet machine, and are sent away while other programs have their cores.

Who waits at a barrier for a worker that the system has put aside waits for milliseconds.  So a leader keeps an account
of what its helpers bring (`loop`), and goes on alone when it is overdrawn.  From time to time they are tried again.
Beside busy programs a training so takes hardly longer than on one thread.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled import loop

LIMIT_SECONDS = 0.002
"""The cost at which helpers are dismissed: less than a turn that the system gives to another program."""

CALL_SECONDS = 0.00002
"""About how long a call of the loop takes by itself."""

WAIT_SECONDS, WAIT_STEPS = 0.001, 0.4
"""The longest time that a leader waits for its helpers to wake; and in steps, about what one taken alone costs more."""

SHORT_SECONDS = 0.001
"""Work of up to this time is for the leader alone: calling helpers takes a quarter of it."""

PROBE_STEPS, PROBE_SECONDS = 6, 0.001
"""Steps, or their time if that is less, that the leader carries out alone to measure one."""

WINDOW_SECONDS, LEAST_WEIGHT = 0.02, 0.125
"""The time over which a step's is averaged, and the least weight of a measurement in the mean."""

FRESH_SECONDS = 1.0
"""How long a measured step is relied on before the next is measured."""

MOST_PATIENCE = 32
"""The longest time without helpers that keep costing more than they bring, in multiples of what the last trial cost:
they have under 5% of the time."""


class Span(NamedTuple):
    """Steps of a program that are carried out in one go.

    Attributes
    ----------
    first, last : int
        The first step, and the one to stop before.
    helpers : int
        To call.
    pace : (FIGURES,) of int64
        For `execute`.
    begin : float
        Seconds, of `time.perf_counter`.
    """

    first: int
    last: int
    helpers: int
    pace: npt.NDArray[np.int64]
    begin: float


class Clock:
    """The pace of the processor's clock."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self.ticks_per_second: float | None = None
        """``None`` until it is known; 0 where a program may not read the processor's clock."""

    def compare(self, seconds: float, ticks: int) -> None:
        """Learn what both clocks say at one moment."""
        if self._first is None:
            self._first = seconds, ticks
        elif seconds - self._first[0] > PROBE_SECONDS:
            self.ticks_per_second = max(0.0, (ticks - self._first[1]) / (seconds - self._first[0]))


CLOCK = Clock()


class Contention:
    """Decides how many steps of one program are carried out next, and whether by the leader alone.

    Parameters
    ----------
    helpers : int
        As many as the program has parts, but for one.
    """

    def __init__(self, helpers: int) -> None:
        self._helpers = helpers
        self._alone, self._alone_at, self._is_warm = 0.0, -math.inf, False  # ticks of a step
        self._account, self._losing, self._gained = math.inf, 0.0, 0.0  # ticks, since helpers were last dismissed
        self._retry_at, self._patience = -math.inf, 1

    def next_span(self, step: int, steps: int) -> Span:
        """The next span from ``step`` on, of ``steps`` in all."""
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
        """Learn from a span that was carried out, until the step ``reached``."""
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
        """Take steps into account that the leader carried out alone; the very first ones load the caches."""
        if self._is_warm:
            window = WINDOW_SECONDS * (CLOCK.ticks_per_second or 0.0)
            weight = min(1.0, max(LEAST_WEIGHT, ticks / window)) if self._alone and window else 1.0
            self._alone += weight * (ticks / steps - self._alone)
            self._alone_at = now
        self._is_warm = True


class Always(Contention):
    """Calls all helpers for every step, whatever they bring: to measure them, and to test them."""

    def next_span(self, step: int, steps: int) -> Span:
        """All that is left, with all helpers."""
        pace = np.zeros(loop.FIGURES, np.int64)
        pace[loop.ALLOWANCE] = pace[loop.WAIT] = loop.NEVER
        return Span(step, steps, self._helpers, pace, time.perf_counter())

    def learn(self, span: Span, reached: int) -> None:
        """Nothing."""
