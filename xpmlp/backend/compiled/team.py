"""Threads that help a program's leader."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
import numpy.typing as npt

from xpmlp.backend.blas import address
from xpmlp.backend.compiled.barrier import ABANDONED, FAULTS, JOIN, NOT_NEEDED, NUMBERS

Work = Callable[[int, int, int], int]
"""(number of the worker, helpers, address of the barrier) -> the result; the leader's is returned."""


class Team:
    """The helpers of this process: threads that sleep between programs.

    They help one leader at a time; meanwhile a second leader works alone, as does one whose helpers the system keeps
    from running.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)  # the child has none of the threads

    def _forget(self) -> None:
        self._lock, self._size = threading.Lock(), 0
        self._pool: ThreadPoolExecutor | None = None
        self._helping: list[Future[int]] = []

    @property
    def size(self) -> int:
        """Number of workers, the leader included."""
        return max(1, self._size)

    def ready(self, workers: int) -> int:
        """Start threads for a number of workers, the leader included; returns the number that the system allows."""
        with self._lock:
            try:
                self._of_size(workers)
            except RuntimeError:
                return self.size
        return workers

    def carry_out(self, work: Work, helpers: int) -> int:
        """Call ``work`` for the leader, 0, in this thread and for each helper in another, if they are free.

        Returns
        -------
        result : int
            The leader's result.  Helpers may not have begun by then, but none is at work.
        """
        if helpers < 1 or not self._lock.acquire(blocking=False):
            return _alone(work)
        try:
            self._helping = [helper for helper in self._helping if not helper.done()]
            if len(self._helping) > helpers:  # not those that are just returning
                return _alone(work)
            return self._together(work, helpers)
        finally:
            self._lock.release()

    def _together(self, work: Work, helpers: int) -> int:
        lines, barrier = _shared_numbers()

        def write(offset: int, number: int) -> None:
            lines[(barrier + offset - address(lines)) // 8] = number

        def guarded(number: int) -> int:
            try:
                return work(number, helpers, barrier)
            except BaseException:  # so that the others do not wait for it
                write(FAULTS, ABANDONED)
                raise

        pool, has_ended, called = self._of_size(helpers + 1), False, list[Future[int]]()
        try:
            with contextlib.suppress(RuntimeError):  # while the interpreter exits, a pool takes no more work
                called.extend(pool.submit(guarded, number) for number in range(1, helpers + 1))
            result, has_ended = work(0, helpers, barrier), True
        finally:
            if not has_ended:  # Ctrl-C, perhaps, before the leader has begun
                write(FAULTS, ABANDONED)
            write(JOIN, NOT_NEEDED)  # helpers that have not begun are no longer needed
            self._helping += called
        if lines[(barrier + FAULTS - address(lines)) // 8] >= ABANDONED:
            for helper in called:
                helper.result()
        return result

    def _of_size(self, workers: int) -> ThreadPoolExecutor:
        """Return the pool, with threads for at least this number of workers, the leader included."""
        if self._pool is None or self._size < workers:
            larger = _started(workers - 1)
            if self._pool is not None:
                self._pool.shutdown()
            self._pool, self._size = larger, workers
        return self._pool


def _alone(work: Work) -> int:
    lines, barrier = _shared_numbers()
    result = work(0, 0, barrier)
    del lines  # alive until now
    return result


def _shared_numbers() -> tuple[npt.NDArray[np.int64], int]:
    """Return the workers' shared numbers, all zero, and the address of the first, at the beginning of a cache line."""
    lines = np.zeros(NUMBERS + 8, np.int64)
    return lines, address(lines) + -address(lines) % 64


def _started(threads: int) -> ThreadPoolExecutor:
    """Start a pool and wait until all its threads run.

    Raises
    ------
    RuntimeError
        If the system allows no more threads.
    """
    pool, all_run = ThreadPoolExecutor(threads, thread_name_prefix="xpmlp"), threading.Barrier(threads)
    try:
        wait([pool.submit(all_run.wait) for _ in range(threads)])
    except BaseException:
        all_run.abort()
        pool.shutdown()
        raise
    return pool


@functools.cache
def yield_address() -> int:
    """Return the address of the system's function that yields the core to another thread; 0 if unknown."""
    try:
        function = ctypes.CDLL("kernel32").SwitchToThread if sys.platform == "win32" else ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


TEAM = Team()
"""The only team of the process, since its workers share the cores."""
