"""Text streams that do not fail: nothing that is computed ends because something cannot be printed."""

from __future__ import annotations

import contextlib
import errno
import io
import time
from typing import Any

_PIECE = 1024
"""Characters written at a time: their bytes fit in a stream's buffer, which keeps them while a reader is busy."""

_PAUSE = 0.01
"""Seconds between two attempts, on a stream that does not wait for its reader by itself."""

_READER_GONE = {errno.EIO, errno.EBADF, errno.EINVAL}
"""Beside a broken pipe or connection: a terminal that was closed, no open stream, and Windows' broken pipe."""


class SafeStream(io.TextIOBase):
    """Text stream over another one that may be missing, closed, out of reach, or unable to hold a character.

    A character that the encoding lacks is replaced.  After any other failure nothing more is written.  Each write goes
    through at once.

    Parameters
    ----------
    stream : text stream, optional
        ``None`` if a process has none.  Of its methods only ``write`` is needed.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.problem: Exception | None = None

    @property
    def encoding(self) -> Any:  # type: ignore[override]
        """That of the stream, or ``None``."""
        return getattr(self.stream, "encoding", None)

    @property
    def loss(self) -> str | None:
        """Why text is missing that was to be kept; ``None`` if none is, or if only its reader is gone."""
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
        """The stream's file descriptor.

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
        """Whether text may be given to it: always."""
        return True

    def write(self, text: str) -> int:
        """Write ``text`` if that is possible, and give its length."""
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
        with contextlib.suppress(BlockingIOError):  # what could not be passed on stays in the stream's buffer
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
