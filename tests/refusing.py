"""File systems without an operation: the system's functions are replaced by errors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

REFUSALS = ["EPERM", "EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK"]
"""The errors by which they say so."""


def refuse(name: str) -> Callable[..., NoReturn]:
    """A function that raises this error, whatever it is called with."""
    number = getattr(errno, name)

    def refusing(*arguments: Any, **options: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refusing


def without_chmod(patch: pytest.MonkeyPatch, error: str) -> None:
    for function in ("chmod", "fchmod", "lchmod", "utime"):
        patch.setattr(os, function, refuse(error), raising=False)


def without_folder_flush(patch: pytest.MonkeyPatch, error: str) -> None:
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        (refuse(error) if stat.S_ISDIR(os.fstat(descriptor).st_mode) else flush)(descriptor)

    patch.setattr(os, "fsync", fsync)


def without_flush(patch: pytest.MonkeyPatch, error: str) -> None:
    patch.setattr(os, "fsync", refuse(error))


def without_move(patch: pytest.MonkeyPatch, error: str) -> None:
    for function in ("replace", "rename", "link"):
        patch.setattr(os, function, refuse(error))
    for method in ("replace", "rename"):
        patch.setattr(Path, method, refuse(error))


def without_locks(patch: pytest.MonkeyPatch, error: str) -> None:
    import fcntl

    for function in ("flock", "lockf"):
        patch.setattr(fcntl, function, refuse(error))


WITHOUT = [without_chmod, without_folder_flush, without_flush, without_move, without_locks]
