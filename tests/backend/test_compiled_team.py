"""Helpers of a program's leader: none is left waiting, even if one of them fails."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.backend.compiled_steps import needs_numba

pytest.importorskip("numba", reason=needs_numba)

import numba

from xpmlp.backend.compiled import barrier, team
from xpmlp.backend.compiled.team import Team


@numba.njit(nogil=True)
def _lead(at: int, helpers: int, yield_address: int) -> bool:
    """As `execute` does, for one step, to which the leader waits for its helpers."""
    barrier.await_presence(at, helpers, -1, yield_address)
    if not barrier.are_present(at, helpers):
        return False
    barrier.let_join(at, 0)
    return barrier.barrier_wait(at, helpers + 1, yield_address)


@numba.njit(nogil=True)
def _help(at: int, helpers: int, yield_address: int) -> int:
    """Returns the step that it was told to join at, or `NOT_NEEDED`; -2 if a worker failed."""
    told = barrier.await_joining(at, yield_address)
    if told >= 0 and not barrier.barrier_wait(at, helpers + 1, yield_address):
        return -2
    return told


def _works(number: int, helpers: int, at: int) -> int:
    """A program of one instruction, which all workers carry out; 1 if they did."""
    if number:
        return int(_help(at, helpers, team.yield_address()) == 0)
    return int(_lead(at, helpers, team.yield_address()))


@pytest.mark.slow
def test_all_workers_wait_for_each_other() -> None:
    assert Team().carry_out(_works, 2) == 1
    assert Team().carry_out(_works, 0) == 1


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nobody_waits_for_a_worker_that_failed(who: int, error: type[BaseException]) -> None:
    def work(number: int, helpers: int, at: int) -> int:
        if number == who:
            raise error
        return _works(number, helpers, at)

    workers = Team()
    with pytest.raises(error):
        workers.carry_out(work, 2)
    assert workers.carry_out(_works, 2) == 1


def test_helpers_that_are_not_needed_are_dismissed() -> None:
    told = []

    def work(number: int, helpers: int, at: int) -> int:
        if number == 0:
            return 7
        told.append(_help(at, helpers, team.yield_address()))
        return 0

    workers = Team()
    assert workers.carry_out(work, 2) == 7
    wait(workers._helping)
    assert told == [barrier.NOT_NEEDED] * 2


def test_a_helper_that_is_put_aside_takes_part_in_all_steps_that_the_leader_waits_for() -> None:
    """In a program of one instruction its dismissal may be there before it has joined, or from the step after."""
    lines, at = team._shared_numbers()
    barrier.let_join(at, 3)
    assert not barrier.are_dismissed(at, 4)
    barrier.dismiss(at, 5)
    assert barrier.await_joining(at, team.yield_address()) == 3
    assert [barrier.are_dismissed(at, step) for step in (4, 5, 6)] == [False, True, True]
    assert lines.any()


def test_a_leader_whose_helpers_are_kept_from_running_works_alone() -> None:
    """Called again and again, it neither waits for them nor piles up work for them."""
    workers, is_over, calls = Team(), threading.Event(), []

    def work(number: int, helpers: int, at: int) -> int:
        if number:
            is_over.wait()
        else:
            calls.append(helpers)
        return number

    for _ in range(9):
        assert workers.carry_out(work, 2) == 0
    assert calls == [2, 2, *[0] * 7]
    is_over.set()
    wait(workers._helping)
    assert workers.carry_out(_works, 2) == 1


def test_a_leader_whose_pool_takes_no_more_work_works_alone() -> None:
    """As while the interpreter exits, when a program saves its last predictions."""
    workers = Team()
    workers.ready(2)
    assert workers._pool is not None
    workers._pool.shutdown()
    assert workers.carry_out(lambda number, helpers, at: 7, 1) == 7


def test_a_second_leader_works_alone() -> None:
    workers, seen = Team(), []

    def outer(number: int, helpers: int, at: int) -> int:
        def inner(_: int, helpers: int, at: int) -> int:
            seen.append(helpers)
            return 0

        if number == 0:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(workers.carry_out, inner, 1).result()
        return _works(number, helpers, at)

    assert workers.carry_out(outer, 1) == 1
    assert seen == [0]


def test_a_fault_is_known_to_all() -> None:
    def work(number: int, helpers: int, at: int) -> int:
        if number == 1:
            barrier.report_fault(at)
        return int(_works(number, helpers, at) and barrier.is_faultless(at))

    assert Team().carry_out(work, 2) == 0


def test_threads_are_kept_and_more_are_added() -> None:
    workers, seen = Team(), set()

    def work(number: int, helpers: int, at: int) -> int:
        seen.add(threading.get_ident())
        return _works(number, helpers, at)

    for _ in range(3):
        assert workers.carry_out(work, 2) == 1
        wait(workers._helping)
    assert len(seen) == 3
    assert workers.ready(5) == 5
    assert workers.ready(2) == 2
    workers.carry_out(work, 2)
    assert workers._size == 5


def test_fewer_threads_where_the_system_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Team()
    assert threads.ready(2) == 2

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert threads.ready(4) == 2
    assert Team().ready(4) == 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = (
        "import os\n"
        "from tests.backend.test_compiled_team import _works\n"
        "from xpmlp.backend.compiled.team import TEAM\n"
        "assert TEAM.carry_out(_works, 2)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if TEAM.carry_out(_works, 2) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=100)


def test_the_way_to_give_way_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert team.yield_address() != 0
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda name: object())
        assert team.yield_address.__wrapped__() == 0

    def work(number: int, helpers: int, at: int) -> int:
        return int(_help(at, helpers, 0) == 0 if number else _lead(at, helpers, 0))

    assert Team().carry_out(work, 1) == 1  # without one they only look
