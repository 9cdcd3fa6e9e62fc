"""Locks between processes: the system's where the file system has them, else a file that names its holder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from xpmlp._files import REFUSED
from xpmlp._notices import notice_once

MARKER = ".held"
"""The ending of the file that names the holder, where the file system has no locks."""

PATIENCE = 600.0
"""Seconds to wait for such a file at most: its holder may have been killed on another machine."""


class InUseError(Exception):
    """A lock that another process holds; its text says what to do if that process is gone, and may be empty."""


@contextlib.contextmanager
def exclusive(path: Path, timeout: float = -1.0) -> Iterator[None]:
    """Hold a lock that goes with the process.

    On a file system without locks a file beside it is the lock; one that a killed process of this machine has left is
    removed.  Where that is refused, too, there is no lock, which is said once.

    Parameters
    ----------
    path : Path
        The lock's file; it may stay behind.
    timeout : float
        Seconds to wait for another process; negative: as long as it takes.

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
