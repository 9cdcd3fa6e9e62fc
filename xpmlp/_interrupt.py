"""Turning Ctrl-C, and the signal that stops a container, into a request to stop."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from xpmlp.errors import signal_status


class Stop:
    """A request to stop by a signal, if one has arrived."""

    number: int | None = None

    def requested(self) -> bool:
        """Whether a signal has asked to stop."""
        return self.number is not None

    @property
    def exit_status(self) -> int:
        """The exit status of a program ended by the signal, by the shells' convention; 0 without one."""
        return 0 if self.number is None else signal_status(self.number)


@contextlib.contextmanager
def stop_on_interrupt(quiet: bool, signals: Sequence[int] | None = None) -> Iterator[Stop]:
    """Turn the first Ctrl-C, or another of these signals, into a request to stop; a second one stops at once.

    Only the main thread receives signals: in others this has no effect.

    Parameters
    ----------
    quiet : bool
        Whether to print nothing on standard error.
    signals : sequence of int, optional
        By default Ctrl-C, unless the process ignores it or has a handler of its own for it.
    """
    stop = Stop()
    if signals is None:
        signals = [signal.SIGINT] if signal.getsignal(signal.SIGINT) is signal.default_int_handler else []
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested():
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(signal_status(number))
        stop.number = number
        if not quiet:
            print("\nstopping after this stretch of steps; Ctrl-C again to stop at once", file=sys.stderr)

    with contextlib.ExitStack() as put_back:
        for number in signals:
            put_back.callback(signal.signal, number, signal.signal(number, request))
        yield stop
