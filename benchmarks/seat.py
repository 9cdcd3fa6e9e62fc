"""A contestant's process: confined to its threads, and controlled over a pipe."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import Contestant, ContestantError, Entry

if TYPE_CHECKING:  # a process with another version of xpmlp imports only what its contestant needs
    from benchmarks.works import Work


class Seat:
    """The parent's end: a contestant's process, with a number of threads.

    Threads are limited in three ways, since no library heeds them all: by the variables that OpenMP and BLAS read when
    they are loaded, by XLA's flag, and by confining the process to as many cores, the only limit for JAX's thread pool
    (jax issue 1539).

    Parameters
    ----------
    entry : Entry
    threads : int
    confined : bool
        Whether to confine the process to as many cores.
    packages : Path, optional
        A folder of packages to import instead of others with their names, such as another version of xpmlp.
    """

    def __init__(self, entry: Entry, threads: int, *, confined: bool = True, packages: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self.entry = entry
        self._pipe, other = context.Pipe()
        # not a daemon: a grid starts processes itself
        self._process = context.Process(target=_serve, args=(entry, threads, confined, other))
        with _environment(_variables(entry, threads)), _imported_first(packages):
            self._process.start()
        other.close()

    def tell(self, method: str, *arguments: Any) -> None:
        """Send a request, without waiting for its answer."""
        with contextlib.suppress(BrokenPipeError):  # `answer` will raise the error
            self._pipe.send((method, arguments))

    def answer(self) -> Any:
        """Receive the contestant's answer to the last request.

        Raises
        ------
        ContestantError
            If it failed, or its process died.
        """
        try:
            done, answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise ContestantError(f"its process died with exit code {self._process.exitcode}") from None
        if not done:
            raise ContestantError(answer)
        return answer

    def ask(self, method: str, *arguments: Any) -> Any:
        """Send a request, and wait for its answer."""
        self.tell(method, *arguments)
        return self.answer()

    def close(self) -> None:
        """End the process."""
        self.tell("close")
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
        self._pipe.close()


def _variables(entry: Entry, threads: int) -> dict[str, str]:
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    variables |= {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if entry.device == "cpu":
        variables["JAX_PLATFORMS"] = "cpu"
    return variables


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for processes started within the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _imported_first(packages: Path | None) -> Iterator[None]:
    """Have processes started within the context import packages from a folder first."""
    before = sys.path.copy()
    sys.path[:0] = [] if packages is None else [str(packages.resolve())]
    try:
        yield
    finally:
        sys.path[:] = before


def _serve(entry: Entry, threads: int, confined: bool, pipe: Connection) -> None:
    """Serve the child's end of the pipe."""
    if confined and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])  # the first core has more interrupts
    contestant: Contestant | None = None
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        if method == "close":
            return
        try:
            if method == "prepare":
                if contestant is not None:
                    contestant.close()
                    contestant = None  # frees its memory
                contestant = _prepared(entry, threads, *arguments)
                answer = None
            else:
                answer = getattr(contestant, method)(*arguments)
        except ContestantError as error:
            pipe.send((False, str(error)))
        except Exception as error:  # on any error, the other contestants continue
            pipe.send((False, f"{type(error).__name__}: {error}"))
        else:
            pipe.send((True, answer))


def _prepared(entry: Entry, threads: int, work: Work) -> Contestant:
    return entry.load()(work, entry.device, threads)
