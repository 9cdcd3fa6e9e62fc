"""Check of a path to data: a file, or the true reason why it cannot be read as one."""

from __future__ import annotations

import stat
from pathlib import Path

from xpmlp.errors import DataError


def check_source(path: Path, *, pipes: bool = False, advice: str = "") -> bool:
    """Check that a path leads to a file, or to a pipe if ``pipes`` will do, too.

    Parameters
    ----------
    path : Path
    pipes : bool
    advice : str
        What to do if there is nothing.

    Returns
    -------
    is_pipe : bool

    Raises
    ------
    DataError
        If there is nothing, a folder or a device, a pipe where a file is needed, or it may not be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: a NUL in the name
        raise DataError(f"{path}: no such file{advice and f'; {advice}'}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: no such file; there is a folder of this name: give a file in it")
    if stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode)):
        return stat.S_ISFIFO(mode)
    kind = "pipe" if stat.S_ISFIFO(mode) else "device"
    raise DataError(f"{path}: is a {kind}, and a file is needed: save the data to a file and give its name")
