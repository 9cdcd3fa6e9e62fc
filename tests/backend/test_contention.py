"""The decision whether to call helpers, on a simulated machine: no test depends on measured times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.backend.compiled_steps import needs_numba

pytest.importorskip("numba", reason=needs_numba)

from xpmlp.backend.compiled import contention, loop
from xpmlp.backend.compiled.contention import Clock, Contention, Span

RATE = 1e9
"""Ticks in a second."""

ALONE, TOGETHER = 300e-6, 190e-6
"""Seconds of a step, by the leader alone, and with a helper on a quiet machine."""

Stall = Callable[[float], float]
"""(now) -> seconds that a step with helpers takes in addition."""


class Machine:
    """Carries spans out as `execute` does, by a clock of its own.

    Attributes
    ----------
    now : float
        Seconds.
    alone, helped : float
        Seconds that were spent with the leader alone, and with helpers.
    steps : int
        That were carried out.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: float = RATE) -> None:
        self.now, self.alone, self.helped, self.steps, self.rate = 100.0, 0.0, 0.0, 0, rate
        self.call_seconds = 15e-6
        monkeypatch.setattr(contention.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(contention, "CLOCK", Clock())

    def scan(self, program: Contention, steps: int, stall: Stall) -> None:
        step = 0
        while step < steps:
            span = program.next_span(step, steps)
            assert step < span.last <= steps
            reached = self.carry_out(span, stall)
            program.learn(span, reached)
            step = reached

    def carry_out(self, span: Span, stall: Stall) -> int:
        pace, before = span.pace, self.now
        self.now += self.call_seconds
        pace[loop.BEGIN] = self.now * self.rate
        reached = span.last
        for step in range(span.first, span.last):
            seconds = TOGETHER + stall(self.now) if span.helpers else ALONE
            self.now += seconds
            if span.helpers:
                ticks = int(seconds * self.rate)
                pace[loop.ACCOUNT] = min(pace[loop.ACCOUNT] + pace[loop.ALLOWANCE] - ticks, pace[loop.LIMIT])
                is_full = pace[loop.ACCOUNT] == pace[loop.LIMIT]
                pace[loop.LOSING] = 0 if is_full else pace[loop.LOSING] + ticks
                if pace[loop.ACCOUNT] < 0:
                    reached = step + 1
                    break
            else:
                pace[loop.ALONE_STEPS] += 1
                pace[loop.ALONE_TICKS] += int(seconds * self.rate)
        pace[loop.END] = self.now * self.rate
        self.steps += reached - span.first
        if span.helpers:
            self.helped += self.now - before
        else:
            self.alone += self.now - before
        return reached


def quiet(_: float) -> float:
    return 0.0


def crowded(now: float) -> float:
    """Every step waits for a helper that another program keeps from its core."""
    return 0.003


def train(machine: Machine, program: Contention, seconds: float, stall: Stall, steps: int = 80) -> float:
    """Scan for a while; returns the seconds of a step."""
    begin, before = machine.now, machine.steps
    while machine.now < begin + seconds:
        machine.scan(program, steps, stall)
    return (machine.now - begin) / (machine.steps - before)


def test_helpers_are_called_on_a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert train(machine, Contention(1), 5.0, quiet) < 1.02 * TOGETHER


def test_beside_company_a_program_takes_hardly_longer_than_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert train(machine, Contention(1), 5.0, crowded) < 1.06 * ALONE
    assert machine.helped < 0.05 * machine.alone


@pytest.mark.parametrize("steps", [4, 10, 1000])
def test_whatever_the_length_of_the_scans(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert train(machine, Contention(1), 5.0, crowded, steps) < 1.1 * ALONE
    assert train(machine, Contention(1), 5.0, quiet, steps) < 1.1 * TOGETHER


def test_helpers_are_called_again_when_the_company_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, program = Machine(monkeypatch), Contention(1)
    train(machine, program, 3.0, crowded)
    train(machine, program, 0.5, quiet)
    assert train(machine, program, 1.0, quiet) < 1.02 * TOGETHER
    train(machine, program, 0.1, crowded)
    assert train(machine, program, 1.0, crowded) < 1.1 * ALONE


def test_a_hiccup_now_and_then_costs_little_more_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, late = Machine(monkeypatch), [100.1]

    def hiccup(now: float) -> float:
        if now < late[0]:
            return 0.0
        late[0] = now + 0.1
        return 0.004

    assert train(machine, Contention(1), 5.0, hiccup) < 1.04 * (TOGETHER / 0.9 + 0.004 * TOGETHER / 0.1)


def test_helpers_that_bring_nothing_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert train(machine, Contention(1), 5.0, lambda _: ALONE + 20e-6 - TOGETHER) < 1.03 * ALONE


def test_calling_helpers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, program = Machine(monkeypatch), Contention(1)
    machine.call_seconds = 0.0015  # for each scan, of which ten steps take 3 ms
    begin = machine.now
    train(machine, program, 5.0, quiet, steps=10)
    assert machine.helped < 0.05 * (machine.now - begin)


def test_what_is_done_at_once_is_done_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, program = Machine(monkeypatch), Contention(1)
    train(machine, program, 0.1, quiet)
    assert program.next_span(0, 3).helpers == 0
    assert program.next_span(0, 30).helpers == 1


def test_one_part_is_for_one_worker() -> None:
    assert Contention(0).next_span(3, 50)[:3] == (3, 50, 0)


def test_without_a_clock_nothing_is_known_and_the_leader_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, program = Machine(monkeypatch, rate=0.0), Contention(1)
    train(machine, program, 1.0, quiet)
    assert machine.helped == 0.0
    assert program.next_span(0, 1000)[:3] == (0, 1000, 0)  # in one go, not in measurements that tell nothing


def test_the_clock_learns_its_pace() -> None:
    clock = Clock()
    clock.compare(1.0, 5_000)
    assert clock.ticks_per_second is None
    clock.compare(1.0 + 1e-6, 6_000)  # too short to tell
    assert clock.ticks_per_second is None
    clock.compare(3.0, 2_005_000)
    assert clock.ticks_per_second == pytest.approx(1e6)


def test_always_calls_all_helpers() -> None:
    span = contention.Always(2).next_span(3, 50)
    assert span[:3] == (3, 50, 2)
    assert span.pace[loop.ALLOWANCE] == span.pace[loop.WAIT] == loop.NEVER
    assert np.count_nonzero(span.pace) == 2
