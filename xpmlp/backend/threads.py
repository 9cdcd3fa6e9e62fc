"""Limits on the threads of this process's BLAS, for several processes that share the cores."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from xpmlp.backend.process_setting import ProcessSetting

BOUND: ContextVar[int | None] = ContextVar("BOUND", default=None)
"""Maximum number of threads that a session may choose."""


@contextlib.contextmanager
def blas_threads_at_most(threads: int | None) -> Iterator[None]:
    """Limit the threads of every loaded BLAS; ``None`` sets no limit.

    A session that chooses its own number of threads keeps within the limit; a session given a number keeps to that.
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
    """Set the number of threads of a threadpoolctl library, from any thread.

    In newer versions of threadpoolctl only one thread can set that of an OpenBLAS; calls by others have no effect.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


def _read() -> list[tuple[Any, int]]:
    return [(library, library.num_threads) for library in _libraries(len(sys.modules))]


@functools.lru_cache(maxsize=1)
def _libraries(_modules: int) -> list[Any]:
    """Find every loaded BLAS, again only if modules were imported since: it takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def _write(numbers: list[tuple[Any, int]]) -> None:
    for library, number in numbers:
        set_threads(library, number)


BLAS = ProcessSetting(_read, _write)
"""Every loaded BLAS, with its number of threads."""
