"""Paths given by users, and the operating system's errors about them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from xpmlp.errors import XpmlpError


def given_path(path: str | os.PathLike[str]) -> Path:
    """Convert a path given by the user, with a leading ``~`` for the home folder, as in a shell.

    Raises
    ------
    XpmlpError
        If no file of this system can have such a name.
    """
    text = os.fspath(path)
    try:
        if b"\0" in os.fsencode(text):
            raise XpmlpError(impossible_name(text))
    except UnicodeEncodeError:
        raise XpmlpError(impossible_name(text)) from None
    return with_home(text)


def impossible_name(text: str) -> str:
    """Return the sentence that no file can have a name, with advice if the locale is the cause."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and "\0" not in text:
        return (
            f"no file can have {text!r} in its name here, where names are in {encoding}: set the environment variable "
            "PYTHONUTF8=1, or use another name."
        )
    return f"{text!r} has a character that no file name of this system can have."


def with_home(path: str | os.PathLike[str]) -> Path:
    """Expand a leading ``~`` to the home folder; idempotent."""
    found = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib's takes "./~" for "~", and raises without a home)
    return found.absolute() if str(found).startswith("~") else found


def is_text(path: Path) -> bool:
    """Whether a path's bytes are text, as required by some libraries and all configs."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def os_errors_as(kind: type[XpmlpError], sentence: str) -> Iterator[None]:
    """Turn an operating system's error into this program's: ``sentence``, and the reason after a colon."""
    try:
        yield
    except OSError as error:
        raise kind(f"{sentence}: {error.strerror or error}.") from error
