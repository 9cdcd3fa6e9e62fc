"""Work that goes wrong, for a test to put in the place of the scheduler's: functions that other processes can import.

The file with the block's data lies in a folder of the test's own; marks that are left there tell one attempt from the
next.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from xpmlp.grid.block import train_one
from xpmlp.grid.plan import Block
from xpmlp.grid.schedule import stop_requested
from xpmlp.grid.trials import Job
from xpmlp.training import Reporter
from xpmlp.training.record import Outcome

UNLUCKY = 1
"""The number of the run that something happens to."""


def die_once(block: Block, threads: int | None) -> list[Outcome]:
    """Train, but the first time that the unlucky run is tried, the process is killed in the middle of it."""
    if _first_attempt(block):
        return _train(block, threads, _killer())
    return _train(block, threads, _counter(block) if _is_unlucky(block) else _go_on)


def die_always(block: Block, threads: int | None) -> list[Outcome]:
    """Train, but each process that tries the unlucky run is killed in the middle of it."""
    _first_attempt(block)
    return _train(block, threads, _killer() if _is_unlucky(block) else _go_on)


def endless(block: Block, threads: int | None) -> list[Outcome]:
    """Train, but the unlucky run ends only when it is stopped."""
    while _is_unlucky(block) and not stop_requested():
        time.sleep(0.01)
    return _train(block, threads, _go_on)


class FailingJob(Job):
    """Trials that fail in the first process, and end in the others only when they are stopped."""

    def work(self, should_stop: Callable[[], bool], heard: Callable[[Any], None] = lambda study: None) -> None:
        """Fail, or wait."""
        if self.worker == 0:
            raise ValueError("the dice fell off the table")
        while not should_stop():
            time.sleep(0.01)


def fail(block: Block, threads: int | None) -> list[Outcome]:
    """Train, but the unlucky run raises an error."""
    _first_attempt(block)
    if _is_unlucky(block):
        raise ArithmeticError("the dice fell off the table")
    return _train(block, threads, _go_on)


def attempts(folder: Path) -> int:
    """How often the unlucky run was tried."""
    return len(list(folder.glob("attempt-*")))


def asked(folder: Path) -> int:
    """How often the unlucky run, tried again, was asked whether to stop: its segments."""
    return (folder / "asked").stat().st_size


def _train(block: Block, threads: int | None, should_stop: Callable[[], bool]) -> list[Outcome]:
    return train_one(block, threads, Reporter(), should_stop)


def _go_on() -> bool:
    return False


def _killer() -> Callable[[], bool]:
    """Make a callback that is asked before each segment of steps, and kills the process the third time."""
    calls = count(1)

    def kill() -> bool:
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return kill


def _counter(block: Block) -> Callable[[], bool]:
    """Make a callback that is asked before each segment of steps, and leaves a mark of it."""
    assert block.config.data.path is not None
    marks = block.config.data.path.parent / "asked"

    def count_and_go_on() -> bool:
        with marks.open("a") as file:
            file.write(".")
        return False

    return count_and_go_on


def _is_unlucky(block: Block) -> bool:
    return any(member.number == UNLUCKY for member in block.members)


def _first_attempt(block: Block) -> bool:
    """Whether this is the unlucky run, tried for the first time; every attempt leaves a mark."""
    if not _is_unlucky(block):
        return False
    assert block.config.data.path is not None
    folder = block.config.data.path.parent
    before = attempts(folder)
    (folder / f"attempt-{before}").touch()
    return before == 0
