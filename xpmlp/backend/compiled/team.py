"""Threads that carry out the shares of a program side by side."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from xpmlp.backend.blas import address
from xpmlp.backend.compiled.meeting import ABANDONED, FAULT, NUMBERS

Share = Callable[[int, int], bool]
"""(number of the thread, address of the meeting) -> whether all went well."""


class Team:
    """The threads of this process that help the one that asks.  They sleep between programs.

    One program at a time: those of other threads wait, since a share that waits for a thread that is not free would
    wait for ever.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)  # the child has none of the threads

    def _forget(self) -> None:
        self._lock, self._size = threading.Lock(), 0
        self._pool: ThreadPoolExecutor | None = None

    @property
    def size(self) -> int:
        """How many threads there are, with the one that asks."""
        return max(1, self._size)

    def ready(self, threads: int) -> int:
        """Have so many threads, the one that asks among them; returns how many there are, if the system has no more."""
        with self._lock:
            try:
                self._of_size(threads)
            except RuntimeError:
                return self.size
        return threads

    def carry_out(self, share: Share, threads: int) -> bool:
        """Call ``share`` for each number below ``threads``, 0 in this thread and the others side by side with it.

        Returns
        -------
        done : bool
            Whether all of them went well.
        """
        lines = np.zeros(NUMBERS + 8, np.int64)
        meeting = address(lines) + -address(lines) % 64
        if threads == 1:
            return share(0, meeting)

        def abandon() -> None:
            lines[(meeting + FAULT - address(lines)) // 8] = ABANDONED

        def guarded(number: int) -> bool:
            try:
                return share(number, meeting)
            except BaseException:  # the others are not to wait for one that does not come
                abandon()
                raise

        with self._lock:
            pool = self._of_size(threads)
            others: list[Future[bool]] = []
            done, has_ended = False, False
            try:
                others.extend(pool.submit(guarded, number) for number in range(1, threads))
                done, has_ended = share(0, meeting), True
            finally:
                if not has_ended:  # Ctrl-C, perhaps, before this thread's share has begun
                    abandon()
                wait(others)
            return all([done, *(other.result() for other in others)])

    def _of_size(self, threads: int) -> ThreadPoolExecutor:
        """The pool with at least so many threads, with the one that asks."""
        if self._pool is None or self._size < threads:
            larger = _started(threads - 1)
            if self._pool is not None:
                self._pool.shutdown()
            self._pool, self._size = larger, threads
        return self._pool


def _started(threads: int) -> ThreadPoolExecutor:
    """A pool all of whose threads run.

    Raises
    ------
    RuntimeError
        If the system has no more of them.
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
def way() -> int:
    """The address of the system's function by which a thread lets another have its core; 0 where it is not known."""
    try:
        function = ctypes.CDLL("kernel32").SwitchToThread if sys.platform == "win32" else ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


TEAM = Team()
"""One for the process: the cores are there once."""
