"""Ctrl-C, and the signal by which a container is stopped, as a request."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether a signal has asked to stop, and which."""

    number: int | None = None

    @property
    def requested(self) -> bool:
        """Whether one has."""
        return self.number is not None

    @property
    def exit_status(self) -> int:
        """Of a program that a signal has ended, by the shells' convention; 0 where none has."""
        return 0 if self.number is None else 128 + self.number


@contextmanager
def stop_on_interrupt(quiet: bool, signals: Sequence[int] = (signal.SIGINT,)) -> Iterator[Stop]:
    """Turn the first Ctrl-C, or another of these signals, into a request to stop; the second one stops at once.

    Only the main thread hears of signals: in others nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        stop.number = number
        if not quiet:
            print("\nstopping after this stretch of steps; Ctrl-C again to stop at once", file=sys.stderr)

    before = {number: signal.signal(number, request) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
