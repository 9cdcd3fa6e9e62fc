"""The loop of programs, compiled when it is first used, and kept by Numba beside its file or in the user's cache."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
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
    """`execute`, compiled for sizes and numbers of these types of NumPy's; threads that ask meanwhile wait."""
    with _one_at_a_time:
        return _compiled(integer, real)


@functools.cache
def _compiled(integer: type, real: type) -> Any:
    code, nothing = np.empty((1, 0, WIDTH), np.int64), np.empty(0, np.int64)
    shared, pace = np.zeros(NUMBERS, np.int64), np.zeros(FIGURES, np.int64)
    slots, gemm = tuple(Slots(0, 0, 0, real(0))), tuple(Gemm(0, 0, integer(0)))
    arguments = (code, slots, gemm, 0, 0, 0, 0, address(shared), 0, pace, nothing)
    kept, alone = _compilers(_name(real))
    with contextlib.suppress(Exception):  # there is no place to keep it, or what was kept there is damaged
        found = kept()
        found(*arguments)
        return found
    found = alone()
    found(*arguments)
    return found


def is_kept(real: type) -> bool:
    """Whether the result of `compiled` for numbers of this NumPy type is on disk, compiled before."""
    name = _name(real)
    with contextlib.suppress(RuntimeError):  # Numba finds no place that it could keep anything in
        folder = njit(cache=True)(_named(name)).stats.cache_path
        return any(Path(folder).glob(f"*.{name}-*.nbi"))
    return False


def _name(real: type) -> str:
    return f"execute_{real.__name__}_{_digest()}"


def _compilers(name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Two functions that compile `execute`: kept on disk, or in this process alone.

    It has a name for each type: Numba numbers the files of one function, and two processes that begin to keep it for
    different types at once would give both the same number.
    """
    function = _named(name)
    options = {"nogil": True, "error_model": "numpy"}
    return lambda: njit(cache=True, **options)(function), lambda: njit(**options)(function)


def _named(name: str) -> FunctionType:
    function = FunctionType(execute.__code__, execute.__globals__, name)
    function.__qualname__, function.__module__ = name, execute.__module__
    return function


@functools.cache
def _digest() -> str:
    """Of all that is compiled: Numba itself looks at the file of `execute` alone to see whether it has changed."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
