"""Ctrl-C as a request."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_STATUS = 130
"""Of a program ended by Ctrl-C: 128 + SIGINT."""


class Stop:
    """Whether the user has asked to stop."""

    requested = False


@contextmanager
def stop_on_interrupt(quiet: bool) -> Iterator[Stop]:
    """Turn the first Ctrl-C into a request to stop; the second one stops at once."""
    stop = Stop()

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        if not quiet:
            print("\nstopping after this stretch of steps; Ctrl-C again to stop at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
