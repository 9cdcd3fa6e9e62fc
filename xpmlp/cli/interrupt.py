"""Handling of Ctrl-C, and of the signal that stops a container, on the command line."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager

from xpmlp._interrupt import Stop, stop_on_interrupt


def stop_on_signals(quiet: bool) -> AbstractContextManager[Stop]:
    """Turn Ctrl-C or SIGTERM into a request to stop; its ``exit_status`` is the program's."""
    return stop_on_interrupt(quiet, (signal.SIGINT, signal.SIGTERM))
