"""Check of a path to data, with the true reason if it cannot be read as a file."""

from __future__ import annotations

import stat
from pathlib import Path

from xpmlp.errors import DataError


def check_source(path: Path, *, pipes: bool = False, advice: str = "") -> bool:
    """Check that a path leads to a file, or with ``pipes`` to a file or a pipe.

    Parameters
    ----------
    path : Path
    pipes : bool
    advice : str
        Advice in the message if nothing is there.

    Returns
    -------
    is_pipe : bool

    Raises
    ------
    DataError
        If nothing is there, it is a folder or a device, or a pipe where a file is needed, or access is denied.
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
