"""Settings of the whole process that a session changes for a while, such as how many threads a library has."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any


class _Own(threading.local):
    """The number of times that the running thread borrows a setting."""

    count = 0


class ProcessSetting:
    """A setting that several threads may borrow at once; the last of them puts back what the first has found.

    If each put back what it has found itself, that could be what another one had set.  A process that is forked
    meanwhile has none of the threads but the one that forks: unless that one borrows the setting, it is put back in the
    child at once.

    Parameters
    ----------
    read : () -> value
    write : (value) -> None
    of_thread : bool
        Whether the library keeps the setting for each thread as well, so that each puts it back for itself.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], *, of_thread: bool = False) -> None:
        self._read, self._write, self._of_thread = read, write, of_thread
        self._lock, self._own = threading.Lock(), _Own()
        self._borrowers = 0
        self._before: Any = None
        _settings.append(weakref.ref(self))

    @property
    def before(self) -> Any:
        """The value when nobody borrows it."""
        with self._lock:
            return self._before if self._borrowers else self._read()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Any]:
        """Put it back at the end; yields its value when nobody borrows it."""
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
        """Forget the threads that are not in this process, and the lock, which one of them may have held."""
        others = self._borrowers - self._own.count
        self._lock, self._borrowers = threading.Lock(), self._own.count
        if others and not self._borrowers:
            self._write(self._before)


_settings: list[weakref.ref[ProcessSetting]] = []
"""In the order in which they were made: a later one is borrowed within the borrowing of an earlier one."""


def _after_fork() -> None:
    for reference in reversed(_settings):
        setting = reference()
        if setting is not None:
            setting.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
