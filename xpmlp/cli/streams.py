"""The command line's streams and terminal, safe however the program was started."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from xpmlp._streams import SafeStream
from xpmlp._text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WARN = "PYTHONWARNDEFAULTENCODING"
"""Removed from the environment, since a grid's processes would read it, too."""

LEAST_WIDTH = 20
"""Minimum width, in columns, of a terminal for tables and help."""


@contextmanager
def safe_streams() -> Iterator[SafeStream]:
    """Replace standard output and standard error by streams that do not fail, and yield the first of them.

    Closed descriptors are opened on the null device.  Unusable widths in the environment are removed, and warnings
    about files opened without an encoding, which concern only the libraries, are suppressed.  Everything but the
    descriptors is restored afterwards.
    """
    _open_descriptors()
    before = sys.stdout, sys.stderr
    unwanted = [name for name in ("COLUMNS", "TERMINAL_WIDTH") if not _is_width(name)]
    left_out = {name: os.environ.pop(name) for name in [*unwanted, _WARN] if name in os.environ}
    sys.stdout, sys.stderr = streams = SafeStream(sys.stdout), SafeStream(sys.stderr)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EncodingWarning)
            yield streams[0]
    finally:
        sys.stdout, sys.stderr = before
        os.environ.update(left_out)
        for stream in streams:
            if stream.problem is not None:
                _discard(stream)


def console_on(stream: IO[str], *, quiet: bool = False, width: int | None = None) -> Console:
    """Build a console on a stream; it moves the cursor on capable terminals, and uses styles if the user wants them.

    Parameters
    ----------
    stream : text stream
    quiet : bool
        Whether to print nothing.
    width : int, optional
        The width in columns, if the stream is not a terminal.
    """
    from rich.console import Console

    return Console(
        file=stream,
        quiet=quiet,
        width=None if stream.isatty() else width,
        force_interactive=can_redraw(stream),
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
    )


def print_lines(lines: Iterable[str | Text]) -> None:
    """Print lines on standard output; plain text among them cannot send commands to the terminal."""
    from rich.text import Text

    console = console_on(sys.stdout)
    for line in lines:
        console.print(Text(printable(line)) if isinstance(line, str) else line, soft_wrap=True)


def can_redraw(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that can rewrite a line."""
    return stream.isatty() and (os.name == "nt" or os.environ.get("TERM", "") not in ("", "dumb", "unknown"))


def _is_width(name: str) -> bool:
    """Whether an environment variable is unset or a usable number of columns."""
    value = os.environ.get(name)
    return value is None or (value.isdecimal() and int(value) >= LEAST_WIDTH)


def _open_descriptors() -> None:
    """Open the null device on each closed descriptor among 0, 1 and 2.

    Otherwise a file opened later would get that number, and the text that libraries print there.
    """
    with contextlib.suppress(OSError):  # a container may have no null device
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)


def _discard(stream: SafeStream) -> None:
    """Redirect a stream's descriptor to the null device, so that its remaining buffer can be written at exit."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
