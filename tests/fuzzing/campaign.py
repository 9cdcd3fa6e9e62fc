"""Many inputs for each target, in a process with limits on its time and memory."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzzing.targets import TARGETS, Attempt, Target, attempt

SECONDS = 5
MEMORY = 2**30
"""Addresses that a process may take once its libraries are loaded: more than the memory that it uses."""


class Hang(BaseException):
    """An input took longer than it may."""


class Record:
    """The results of a target's inputs."""

    def __init__(self, target: str) -> None:
        self.target, self.inputs, self.past_header, self.read = target, 0, 0, 0
        self.slowest, self.failures = 0.0, list[dict[str, str]]()

    def add(self, target: Target, folder: Path, random: Callable[[], Random], name: str) -> None:
        """Try one input; what goes wrong is recorded under a name by which it can be made again.

        One that takes too long is tried again, since the machine may have been busy: a hang hangs twice.
        """
        try:
            try:
                result = self._timed(target, folder, random())
            except Hang:
                result = self._timed(target, folder, random())
        except KeyboardInterrupt:
            raise
        except BaseException:  # a panic of a compiled library is no Exception
            self.failures.append({"input": name, "traceback": traceback.format_exc(limit=-6)[-2000:]})
        else:
            self.past_header += result.past_header
            self.read += result.outcome == "read"
        self.inputs += 1

    def _timed(self, target: Target, folder: Path, random: Random) -> Attempt:
        began = time.perf_counter()
        with time_limit(SECONDS):
            result = attempt(target, folder, random)
        self.slowest = max(self.slowest, time.perf_counter() - began)
        return result

    def as_dict(self) -> dict[str, Any]:
        """The numbers for the record."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {**vars(self), "peak_memory": peak}


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `Hang` in a block that takes longer."""

    def expired(*_: object) -> None:
        raise Hang(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def warm_up(target: Target, folder: Path) -> None:
    """Have the libraries imported before the clock runs."""
    for seed in range(20):
        attempt(target, folder, Random(f"{target.name}:warm:{seed}"))


def _limit_memory(size: int) -> None:
    """Let this process take so many addresses more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + size
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def work(name: str, first: int, inputs: int, out: Path) -> None:
    """Try the inputs ``first`` and on of a target; the record so far is in ``out``, should the process die."""
    target, record = TARGETS[name], Record(name)
    with tempfile.TemporaryDirectory() as folder:
        warm_up(target, Path(folder))
        _limit_memory(MEMORY)
        for index in range(first, first + inputs):
            out.write_text(json.dumps({**record.as_dict(), "next": index}))
            record.add(target, Path(folder), partial(Random, f"{name}:{index}"), f"{name}:{index}")
    out.write_text(json.dumps(record.as_dict()))


def run(name: str, first: int, inputs: int) -> dict[str, Any]:
    """The record of a target's inputs, tried in a process of their own; one that dies is a failure of its input."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        command = [sys.executable, "-m", "tests.fuzzing", "--work", name, str(first), str(inputs), str(out)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if not out.exists():
            raise RuntimeError(f"{name}: no input was tried: {ended.stderr}")
        record: dict[str, Any] = json.loads(out.read_text())
    if ended.returncode == 0:
        return record
    dead = record.pop("next")
    record["inputs"] += 1
    record["failures"].append({"input": f"{name}:{dead}", "traceback": f"{ended.returncode}: {ended.stderr[-2000:]}"})
    left = first + inputs - dead - 1
    return merged(record, run(name, dead + 1, left)) if left else record


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two records of one target together."""
    sums = {key: one[key] + other[key] for key in ("inputs", "past_header", "read", "failures")}
    return {**one, **sums, **{key: max(one[key], other[key]) for key in ("slowest", "peak_memory")}}
