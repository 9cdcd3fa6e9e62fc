"""Scheduling of blocks: one after another here, or as futures over local processes or a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from concurrent.futures.process import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from xpmlp._malloc import keep_freed_memory
from xpmlp._notices import notice_once
from xpmlp._optional import Library
from xpmlp._processes import starting_processes
from xpmlp.errors import BackendError
from xpmlp.grid.block import train_one
from xpmlp.grid.plan import Block
from xpmlp.training.record import Outcome
from xpmlp.training.run import Reporter

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event  # cannot be imported where a system has no semaphores

DASK = Library("distributed", "Dask", "'xpmlp[dask]'")

RETRIES = 2
"""Number of retries for a block whose worker died, each alone in a fresh process."""

POLL = 0.2
"""Seconds between two checks for a stop request."""

ROLL_CALL = 5.0
"""Seconds between two checks that a cluster has workers."""

OnBlockDone = Callable[[Block, list[Outcome]], None]


def run_here(
    blocks: Iterable[Block], reporter: Reporter, should_stop: Callable[[], bool], done: OnBlockDone
) -> dict[int, str]:
    """Train blocks one after another in this process.

    Parameters
    ----------
    blocks : iterable of Block
    reporter : Reporter
        Notified of every segment.
    should_stop : () -> bool
    done : (block, outcomes) -> None
        Called for each finished block.

    Returns
    -------
    failures : dict
        The error of each block, by number, that raised one.
    """
    failures = {}
    for block in blocks:
        if should_stop():
            break
        try:
            outcomes = train_one(block, None, reporter, should_stop)
        except Exception as error:  # whatever the error, the other blocks continue
            failures[block.number] = _words(error)
        else:
            done(block, outcomes)
    return failures


def run_in_processes(
    blocks: Iterable[Block], workers: int, threads: int | None, should_stop: Callable[[], bool], done: OnBlockDone
) -> dict[int, str]:
    """Train blocks in local processes.  A process that dies is replaced, and its block retried.

    Parameters
    ----------
    blocks : iterable of Block
    workers : int
    threads : int, optional
        CPU threads of each process, where the config leaves them open.
    should_stop, done
        As in `run_here`.

    Returns
    -------
    failures : dict
    """
    context = multiprocessing.get_context("spawn")  # a fork would share the parent's thread pools and GPU state
    stop = context.Event()
    pool = partial(ProcessPoolExecutor, workers, mp_context=context, initializer=start_worker, initargs=(stop,))

    def poll() -> bool:
        if should_stop():
            stop.set()  # running blocks end as interrupted, and return their current results
        return stop.is_set()

    def keep(block: Block, outcomes: list[Outcome]) -> None:
        try:
            done(block, outcomes)
        except BaseException:
            stop.set()  # or the pool would wait until all running blocks have ended
            raise

    trained = _BlockPool(pool, threads, poll, keep)
    # one at a time, so that a block whose process dies again does not affect others
    trained.again(trained.drain(blocks, workers), RETRIES, f"its process died {RETRIES + 1} times (out of memory?)")
    return trained.failures


def connected(scheduler: str) -> Any:
    """Return a client of the Dask scheduler at an address.

    Raises
    ------
    BackendError
        If Dask is not installed or is broken, or the scheduler does not answer.
    """
    with DASK.needed_by(f"grid.scheduler = {scheduler!r}"):
        from distributed import Client

        try:
            return Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise BackendError(
                f"there is no Dask scheduler at grid.scheduler = {scheduler!r}: {_words(error)}."
            ) from error


def run_on_dask(
    blocks: Iterable[Block], scheduler: str, should_stop: Callable[[], bool], done: OnBlockDone
) -> dict[int, str]:
    """Train blocks on the workers of a Dask cluster, which retries blocks whose worker died.

    If the cluster has no workers, waits for one, with a notice.

    Parameters
    ----------
    blocks : iterable of Block
    scheduler : str
        Address of the cluster's scheduler, such as ``tcp://host:8786``.
    should_stop, done
        As in `run_here`.

    Returns
    -------
    failures : dict

    Raises
    ------
    BackendError
        As `connected`.
    """
    client = connected(scheduler)
    from distributed import KilledWorker

    queue, looked = list(blocks), time.monotonic()

    def poll() -> bool:
        nonlocal looked
        if time.monotonic() - looked >= ROLL_CALL:
            looked = time.monotonic()
            with contextlib.suppress(OSError):  # if the scheduler is gone, the blocks report it
                if not client.nthreads():
                    notice_once(
                        scheduler,
                        f"the Dask cluster at grid.scheduler = {scheduler!r} has no workers; the grid continues when "
                        "one joins, and Ctrl-C ends it.",
                    )
        return should_stop()

    trained = _BlockPool(lambda: client.get_executor(pure=False), 1, poll, done, KilledWorker)
    with client:
        # Dask blames every block of a worker that died: when run alone, only the block at fault fails again
        trained.again(trained.drain(queue, len(queue)), 1, "its worker died each time (out of memory?)")
    return trained.failures


@dataclass
class _BlockPool:
    """Pool for training blocks on an executor.

    Attributes
    ----------
    pool : () -> Executor
        Creates a new executor, also after the last one broke.
    threads : int or None
    should_stop, done
        As in `run_here`.
    given_up : type of Exception
        Error by which an executor reports that a block's worker died.
    failures : dict
        The error of each block, by number, that raised one.
    """

    pool: Callable[[], Executor]
    threads: int | None
    should_stop: Callable[[], bool]
    done: OnBlockDone
    given_up: type[Exception] = BrokenExecutor
    failures: dict[int, str] = field(default_factory=dict)

    def again(self, lost: Iterable[Block], times: int, failure: str) -> None:
        """Train each of these blocks alone, with up to ``times`` attempts, or record its failure."""
        for block in lost:
            if self.should_stop():
                break
            if all(self.drain([block], 1) for _ in range(times)):
                self.failures[block.number] = failure

    def drain(self, blocks: Iterable[Block], window: int) -> list[Block]:
        """Train blocks, at most ``window`` at a time.

        Returns the blocks lost with a broken executor, and those given up because their worker died.
        """
        queue, lost = deque(blocks), []
        while queue:
            running: dict[Future[list[Outcome]], Block] = {}
            broken = False
            with self.pool() as executor:
                while (queue or running) and not broken:
                    while queue and len(running) < window:
                        try:
                            with starting_processes():
                                running[executor.submit(_work, queue[0], self.threads)] = queue[0]
                        except BrokenExecutor:  # a process has died since the last check: its block is in `running`
                            broken = True
                            break
                        queue.popleft()
                    finished, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
                    for future in finished:
                        block = running.pop(future)
                        try:
                            outcomes = future.result()
                        except BrokenExecutor:
                            broken = True
                            lost.append(block)
                        except self.given_up:
                            lost.append(block)
                        except CancelledError:
                            if not self.should_stop():
                                self.failures[block.number] = "it was given up by the cluster: its scheduler has gone"
                        except Exception as error:  # whatever the error, the other blocks continue
                            self.failures[block.number] = _words(error)
                        else:
                            self.done(block, outcomes)
                    if self.should_stop():
                        queue.clear()
                        # not waited for: a future of Dask's finished at this moment stays cancelled without notice
                        running = {future: block for future, block in running.items() if not future.cancel()}
            lost.extend(running.values())
        return lost


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


_stop: Event | None = None
"""Event in a worker process, set when the user wants to stop."""


def start_worker(stop: Event) -> None:
    """Prepare a worker process; Ctrl-C is left to the parent, which passes it on."""
    global _stop
    _stop = stop
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(block: Block, threads: int | None) -> list[Outcome]:
    return train_one(block, threads, Reporter(), stop_requested)


def stop_requested() -> bool:
    """Return whether the user wants to stop.  If the parent was killed, the process exits: its block is not needed."""
    parent = multiprocessing.parent_process()
    if parent is not None and _stop is not None and not parent.is_alive():
        os._exit(1)
    return _stop is not None and _stop.is_set()
