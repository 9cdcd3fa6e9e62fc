"""Where the threads that carry out a program wait for each other: compiled.

A meeting is two int64, each in a line of the cache of its own: how many times a thread has come to it, and whether
something is wrong.
"""

from __future__ import annotations

from numba import njit

from xpmlp.backend.compiled.intrinsics import add_atomically, give_way, pause, read_atomically

NUMBERS, FAULT = 16, 64
"""How many int64 a meeting takes, and in which byte of it faults are counted."""

ABANDONED = 1 << 32
"""Added to the faults: some thread will not come, and nobody is to wait."""

GLANCES = 4_000
"""How often a thread looks for the others before it lets another thread have the core: some tens of microseconds."""


@njit
def meet(meeting: int, expected: int, way: int) -> bool:
    """Come to the meeting and wait until threads have done so ``expected`` times, since it began.

    Parameters
    ----------
    meeting : int
        Its address.
    expected : int
    way : int
        The address of the system's function that lets another thread have the core; 0 if there is none.

    Returns
    -------
    met : bool
        False if it was abandoned.
    """
    add_atomically(meeting, 1)
    glances = 0
    while read_atomically(meeting) < expected:
        if read_atomically(meeting + FAULT) >= ABANDONED:
            return False
        glances += 1
        if glances < GLANCES:
            pause()
        else:
            give_way(way)
    return True


@njit
def report_fault(meeting: int) -> None:
    """Tell all threads that something is wrong: they go on to the end, for which the others wait."""
    add_atomically(meeting + FAULT, 1)


@njit
def is_faultless(meeting: int) -> bool:
    """Whether nothing was reported."""
    return bool(read_atomically(meeting + FAULT) == 0)
