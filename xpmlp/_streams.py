"""Text streams that do not fail: no computation ends because something cannot be printed."""

from __future__ import annotations

import contextlib
import errno
import io
import time
from typing import Any

_PIECE = 1024
"""Characters written at a time: their bytes fit in a stream's buffer, which keeps them while a reader is busy."""

_PAUSE = 0.01
"""Seconds between two attempts, on a non-blocking stream."""

_READER_GONE = {errno.EIO, errno.EBADF, errno.EINVAL}
"""The errors of a lost reader, besides a broken pipe or connection: a closed terminal, no open stream, and Windows'
broken pipe."""


class SafeStream(io.TextIOBase):
    """Text stream over another one that may be missing, closed, disconnected, or unable to encode a character.

    A character that the encoding lacks is replaced.  After any other failure nothing more is written.  Each write is
    flushed at once.

    Parameters
    ----------
    stream : text stream, optional
        ``None`` if the process has none.  Only its method ``write`` is required.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.problem: Exception | None = None

    @property
    def encoding(self) -> Any:  # type: ignore[override]
        """The encoding of the stream, or ``None``."""
        return getattr(self.stream, "encoding", None)

    @property
    def loss(self) -> str | None:
        """The reason why text was lost; ``None`` if none was, or if only its reader is gone."""
        if not isinstance(self.problem, OSError) or isinstance(self.problem, ConnectionError):
            return None
        return None if self.problem.errno in _READER_GONE else self.problem.strerror

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return bool(self.stream.isatty())
        except (AttributeError, OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Return the stream's file descriptor.

        Raises
        ------
        OSError
            If it has none.
        """
        try:
            return int(self.stream.fileno())
        except (AttributeError, ValueError) as error:
            raise io.UnsupportedOperation("fileno") from error

    def writable(self) -> bool:
        """Return True: text may always be written."""
        return True

    def write(self, text: str) -> int:
        """Write ``text`` if possible, and return its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        if self.stream is not None and self.problem is None:
            try:
                for start in range(0, len(text), _PIECE):
                    self._write(text[start : start + _PIECE])
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self.problem = error
        return len(text)

    def _write(self, text: str) -> None:
        with contextlib.suppress(BlockingIOError):  # unwritten text stays in the stream's buffer
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = self.encoding or "ascii"
                self.stream.write(text.encode(encoding, "replace").decode(encoding))
        while hasattr(self.stream, "flush"):
            try:
                self.stream.flush()
            except BlockingIOError:
                time.sleep(_PAUSE)
            else:
                return
