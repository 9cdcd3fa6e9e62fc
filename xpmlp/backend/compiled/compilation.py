"""Compilation of the program loop on first use; Numba keeps it beside its source file or in the user's cache."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit

from xpmlp._processes import lock_over_forks
from xpmlp.backend.blas import address
from xpmlp.backend.compiled.barrier import NUMBERS
from xpmlp.backend.compiled.layout import WIDTH, Gemm, Slots
from xpmlp.backend.compiled.loop import FIGURES, execute

_one_at_a_time = lock_over_forks()


def compiled(integer: type, real: type) -> Any:
    """Return `execute` compiled for NumPy types of sizes and of elements; concurrent callers wait."""
    with _one_at_a_time:
        return _compiled(integer, real)


@functools.cache
def _compiled(integer: type, real: type) -> Any:
    code, nothing = np.empty((1, 0, WIDTH), np.int64), np.empty(0, np.int64)
    shared, pace = np.zeros(NUMBERS, np.int64), np.zeros(FIGURES, np.int64)
    slots, gemm = tuple(Slots(0, 0, 0, real(0))), tuple(Gemm(0, 0, integer(0)))
    arguments = (code, slots, gemm, 0, 0, 0, 0, address(shared), 0, pace, nothing)
    return kept_on_disk(_named(_name(real)), arguments, nogil=True, error_model="numpy")


def kept_on_disk(function: Any, example: tuple[Any, ...], **options: Any) -> Any:
    """Compile a function for arguments such as ``example``, cached by Numba for later processes if possible."""
    with contextlib.suppress(Exception):  # no cache folder, or a damaged cache
        kept = njit(cache=True, **options)(function)
        kept(*example)
        return kept
    found = njit(**options)(function)
    found(*example)
    return found


def is_kept(real: type) -> bool:
    """Check whether the loop for this NumPy type of elements was compiled before and is on disk."""
    name = _name(real)
    with contextlib.suppress(RuntimeError):  # Numba finds no cache folder
        folder = njit(cache=True)(_named(name)).stats.cache_path
        return any(Path(folder).glob(f"*.{name}-*.nbi"))
    return False


def _name(real: type) -> str:
    return f"execute_{real.__name__}_{_digest()}"


def _named(name: str) -> FunctionType:
    """Return `execute` under another name, one for each type.

    Numba numbers the files of a function, and two processes that kept it for different types at once would give both
    the same number.
    """
    function = FunctionType(execute.__code__, execute.__globals__, name)
    function.__qualname__, function.__module__ = name, execute.__module__
    return function


@functools.cache
def _digest() -> str:
    """Hash the source of all compiled code: Numba itself checks only the file of `execute` for changes."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
