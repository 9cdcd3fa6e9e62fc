"""Handling of Ctrl-C, and of the signal that stops a container, on the command line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from xpmlp._interrupt import Stop, stop_on_interrupt


def stop_on_signals(quiet: bool) -> AbstractContextManager[Stop]:
    """Turn Ctrl-C or SIGTERM into a request to stop; its ``exit_status`` is the program's."""
    return stop_on_interrupt(quiet, (signal.SIGINT, signal.SIGTERM))


@contextmanager
def sigterm_interrupts() -> Iterator[Stop]:
    """Turn SIGTERM into a `KeyboardInterrupt`, so that a command removes its unfinished files, as after Ctrl-C.

    Without effect in other threads than the main one, and where the process ignores or handles the signal.
    """
    stop, number = Stop(), signal.SIGTERM

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.number = number
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(number) is not signal.SIG_DFL:
        yield stop
        return
    signal.signal(number, interrupt)
    try:
        yield stop
    finally:
        signal.signal(number, signal.SIG_DFL)
