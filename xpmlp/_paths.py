"""Paths as people write them, and the operating system's objections to them in words."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from xpmlp.errors import XpmlpError


def given_path(path: str | os.PathLike[str]) -> Path:
    """The path that a person gave, with ``~`` at its beginning for the home folder, as in a shell.

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
    """Say in a sentence that no file can have a name, and what to do if that is the locale's fault."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and "\0" not in text:
        return (
            f"no file can have {text!r} in its name here, where names are in {encoding}: set the environment variable "
            "PYTHONUTF8=1, or use another name."
        )
    return f"{text!r} has a character that no file name of this system can have."


def with_home(path: str | os.PathLike[str]) -> Path:
    """The path with ``~`` at its beginning for the home folder; given its own result it changes nothing."""
    found = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib's takes "./~" for "~", and raises without a home)
    return found.absolute() if str(found).startswith("~") else found


def is_text(path: Path) -> bool:
    """Whether a path's bytes are text, as some libraries and all configs need them."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def os_errors_as(kind: type[XpmlpError], sentence: str) -> Iterator[None]:
    """Turn an operating system's error into one of the program's: ``sentence``, and the reason after a colon."""
    try:
        yield
    except OSError as error:
        raise kind(f"{sentence}: {error.strerror or error}.") from error
