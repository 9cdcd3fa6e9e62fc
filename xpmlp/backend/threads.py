"""How many threads the BLAS of this process may take, where several processes share the cores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def blas_threads_at_most(threads: int | None) -> Iterator[None]:
    """Let no BLAS that is loaded take more threads; no bound for ``None``.

    A session that chooses the number by itself keeps within it; one that is given a number keeps to that.
    """
    if threads is None:
        yield
        return
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = [(library, library.num_threads) for library in libraries]
    try:
        for library, number in before:
            library.set_num_threads(min(number, threads))
        yield
    finally:
        for library, number in before:
            library.set_num_threads(number)
