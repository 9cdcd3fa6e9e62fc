"""Process-wide settings that a session changes for a while, such as a library's number of threads."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any


class _Own(threading.local):
    """Number of times that the running thread borrows a setting."""

    count = 0


class ProcessSetting:
    """A setting that several threads may borrow at once; the last one restores the value that the first one found.

    If each restored the value that it found, that could be another thread's.  A process forked meanwhile has only the
    thread that forked: unless that thread borrows the setting, the child restores it at once.

    Parameters
    ----------
    read : () -> value
    write : (value) -> None
    of_thread : bool
        Whether the library also keeps the setting for each thread, so that each restores its own.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], *, of_thread: bool = False) -> None:
        self._read, self._write, self._of_thread = read, write, of_thread
        self._lock, self._own = threading.Lock(), _Own()
        self._borrowers = 0
        self._before: Any = None
        _settings.append(weakref.ref(self))

    @property
    def before(self) -> Any:
        """The value outside of all borrowing."""
        with self._lock:
            return self._before if self._borrowers else self._read()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Any]:
        """Borrow the setting and restore it at the end; yields the value outside of all borrowing."""
        with self._lock:
            if not self._borrowers:
                self._before = self._read()
            outer = self._read() if self._own.count else None
            self._borrowers += 1
            before = self._before
        self._own.count += 1
        try:
            yield before
        finally:
            self._own.count -= 1
            with self._lock:
                if self._own.count:
                    self._write(outer)
                elif self._of_thread or self._borrowers == 1:
                    self._write(self._before)
                self._borrowers -= 1

    def after_fork(self) -> None:
        """Forget the threads that do not exist in this process, and the lock, which one of them may have held."""
        others = self._borrowers - self._own.count
        self._lock, self._borrowers = threading.Lock(), self._own.count
        if others and not self._borrowers:
            self._write(self._before)


_settings: list[weakref.ref[ProcessSetting]] = []
"""Settings in order of creation: a later one is borrowed within the borrowing of an earlier one."""


def _after_fork() -> None:
    for reference in reversed(_settings):
        setting = reference()
        if setting is not None:
            setting.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
