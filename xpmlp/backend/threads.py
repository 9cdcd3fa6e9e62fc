"""The number of threads that the BLAS of this process may take, when several processes share the cores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from xpmlp.backend.process_setting import ProcessSetting

BOUND: ContextVar[int | None] = ContextVar("BOUND", default=None)
"""The most threads that a session may choose."""


@contextlib.contextmanager
def blas_threads_at_most(threads: int | None) -> Iterator[None]:
    """Let no BLAS that is loaded take more threads; no bound for ``None``.

    A session that chooses the number by itself keeps within it; one that is given a number keeps to that.
    """
    if threads is None:
        yield
        return
    with BLAS.borrowed() as before:
        for library, number in before:
            set_threads(library, min(number, threads))
        outer = BOUND.set(threads)
        try:
            yield
        finally:
            BOUND.reset(outer)


def set_threads(library: Any, number: int) -> None:
    """Set the threads of a library, of threadpoolctl's, from any thread.

    In threadpoolctl's newer versions only one thread can set those of an OpenBLAS, and others are not heard.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


def _read() -> list[tuple[Any, int]]:
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [(library, library.num_threads) for library in libraries]


def _write(numbers: list[tuple[Any, int]]) -> None:
    for library, number in numbers:
        set_threads(library, number)


BLAS = ProcessSetting(_read, _write)
"""Each BLAS that is loaded, with its number of threads."""
