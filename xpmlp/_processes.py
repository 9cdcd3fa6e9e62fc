"""Starting worker processes, shielded from Ctrl-C and without the caller's script; and whether that is possible."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from xpmlp._notices import notice_once
from xpmlp._paths import os_errors_as
from xpmlp.errors import XpmlpError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def lock_over_forks() -> contextlib.AbstractContextManager[Any]:
    """Return a lock that forks by other threads wait for: in the child, no thread could release it."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


_MAIN = lock_over_forks()


def can_start_processes(instead: str, *, semaphores: bool = False) -> bool:
    """Whether this process can start others; if not, a single notice says so, with the alternative ``instead``."""
    reason = obstacle_to_processes(semaphores=semaphores)
    if reason is not None:
        notice_once("processes", f"{instead}, in this process: {reason}")
    return reason is None


def obstacle_to_processes(*, semaphores: bool = False) -> str | None:
    """Return the reason why this process cannot start others, in words; ``None`` if it can.

    Parameters
    ----------
    semaphores : bool
        Whether they must share semaphores, as the processes of an executor do.
    """
    import multiprocessing

    if multiprocessing.current_process().daemon:
        return "a daemonic process may not start others"
    if not sys.executable:
        return "Python does not know its own executable (sys.executable)"
    if semaphores:
        try:
            multiprocessing.get_context("spawn").Lock()
        except (OSError, ImportError) as error:
            return f"this system has no semaphores ({error}); is /dev/shm missing or full?"
    return None


@contextlib.contextmanager
def starting_processes() -> Iterator[None]:
    """Start processes within the block.

    They inherit a mask that blocks Ctrl-C, and so start undisturbed.  They do not run the caller's script, as they
    would by Python's `multiprocessing`: all they need is in this package, a script without
    ``if __name__ == "__main__":`` would start processes in turn, and one from standard input cannot be run again.

    Raises
    ------
    XpmlpError
        If the system starts no more processes.
    """
    with _MAIN:  # one at a time, so that the module restored is the caller's
        main = sys.modules["__main__"]
        without_file = types.ModuleType("__main__")
        without_file.__dict__.update(vars(main), __file__=None, __spec__=None)
        sys.modules["__main__"] = without_file
        before = None if os.name == "nt" else signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with os_errors_as(XpmlpError, "this system starts no more processes"):
                yield
        finally:
            sys.modules["__main__"] = main
            if before is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ProcessDiedError(Exception):
    """A process that ended without an answer."""


class RemoteCall:
    """A call of a function in a process of its own, which ends with this process, however that ends.

    It ignores Ctrl-C, which is left to the waiting process.

    Raises
    ------
    XpmlpError
        If the system starts no more processes.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")  # a fork would share threads, libraries and their memory
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_answer, args=(sender, function, arguments), daemon=True)
        try:
            with starting_processes():
                self._process.start()
        except XpmlpError:
            self._receiver.close()
            raise
        finally:
            sender.close()

    def has_ended(self, timeout: float) -> bool:
        """Wait for at most ``timeout`` seconds, and return whether there is a result."""
        return self._receiver.poll(timeout)

    def result(self) -> Any:
        """Wait for the function's result, and return it.

        Raises
        ------
        XpmlpError
            If the function raised it.
        RuntimeError
            With the text of any other error raised by the function.
        ProcessDiedError
        """
        try:
            answer, error = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise ProcessDiedError(f"its process died with exit code {self._process.exitcode}") from None
        if error is not None:
            raise error
        return answer

    def close(self) -> None:
        """End the process, even while it works."""
        self._process.terminate()
        self._process.join()
        self._receiver.close()


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """In the process: call the function, and send its result and ``None``, or ``None`` and its error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    answer: tuple[Any, Exception | None]
    try:
        answer = function(*arguments), None
    except XpmlpError as error:
        answer = None, error
    except Exception as error:  # of any type, which another process may be unable to construct
        answer = None, RuntimeError(f"{type(error).__name__}: {error}")
    sender.send(answer)


def _end_with_the_parent() -> None:
    """Exit once the parent is gone, as when killed before it could end this process: nobody waits for the answer."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
