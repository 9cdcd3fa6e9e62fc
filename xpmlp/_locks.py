"""Locks between processes: the system's if the file system supports them, else a file that names its holder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from xpmlp._files import REFUSED
from xpmlp._notices import notice_once

MARKER = ".held"
"""The extension of the file that names the holder, where the file system has no locks."""

PATIENCE = 600.0
"""Maximum seconds to wait for such a file: its holder may have been killed on another machine."""


class InUseError(Exception):
    """A lock held by another process; its text is advice in case that process is gone, and may be empty."""


@contextlib.contextmanager
def exclusive(path: Path, timeout: float = -1.0) -> Iterator[None]:
    """Hold a lock, released at the latest when the process ends.

    On a file system without locks, a file beside it is the lock; one left by a killed process of this machine is
    removed.  Where that is refused, too, there is no lock, with a single notice.

    Parameters
    ----------
    path : Path
        The lock's file; it may be left behind.
    timeout : float
        Seconds to wait for another process; negative to wait without limit (`PATIENCE` for a lock file).

    Raises
    ------
    InUseError
        If another process holds it.
    OSError
        If the folder cannot be written to.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    marker = path.with_name(path.name + MARKER)
    locks = FileLock(path, fallback_to_soft=False), SoftFileLock(marker)
    with contextlib.ExitStack() as held:
        for lock, wait in zip(locks, (timeout, timeout if timeout >= 0 else PATIENCE), strict=True):
            try:
                held.enter_context(lock.acquire(timeout=wait))
                break
            except Timeout:
                raise InUseError("" if lock is locks[0] else f"if there is none, delete {marker}") from None
            except OSError as error:
                if error.errno not in REFUSED:
                    raise
                reason = error.strerror
        else:
            notice_once(
                "lock",
                f"the file system of {path.parent} has no locks ({reason}): do not write to this folder from two "
                "processes at a time",
            )
        yield
