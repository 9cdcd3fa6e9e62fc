"""Whether a file of a person's can be read at all."""

from __future__ import annotations

import stat
from pathlib import Path

from xpmlp.errors import DataError


def check_file(path: Path) -> None:
    """Refuse a path at which no file can be read, with the true reason.

    Raises
    ------
    DataError
        If it is missing, too long, in a folder that may not be entered, or something else than a file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: no such file, but a folder; name the file in it")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: no such file, but a pipe or a device")
