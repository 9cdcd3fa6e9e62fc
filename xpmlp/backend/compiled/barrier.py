"""Compiled barrier and commands of the workers that carry out a program together.

One worker, the leader, works from the first step on.  The others, its helpers, report that they are present, and join
at the step that it names.  From then on all wait for each other after each instruction, until the leader dismisses the
helpers.

The shared numbers are int64, each in a cache line of its own.
"""

from __future__ import annotations

from numba import njit

from xpmlp.backend.compiled.intrinsics import (
    add_atomically,
    pause,
    read_atomically,
    ticks,
    write_atomically,
    yield_core,
)

ARRIVALS, FAULTS, PRESENT, JOIN, LEAVE = 0, 64, 128, 192, 256
"""Byte offsets of the shared numbers: barrier arrivals, reported faults, helpers present, the leader's two commands."""

NUMBERS = 40
"""Length of the block in int64."""

ABANDONED = 1 << 32
"""Added to the faults by a worker that failed, so that nobody waits for it."""

NOT_NEEDED = -1
"""Command not to join; 0 means no command yet, and a positive number is the step to join at plus one."""

GLANCES = 4_000
"""Number of polls before a waiting worker yields its core: some tens of microseconds."""


@njit
def _rest(glances: int, yield_address: int) -> None:
    """Pause between two reads of a shared number."""
    if glances < GLANCES:
        pause()
    else:
        yield_core(yield_address)


@njit
def barrier_wait(barrier: int, expected: int, yield_address: int) -> bool:
    """Arrive at the barrier, and wait for a total of ``expected`` arrivals since the program began.

    Parameters
    ----------
    barrier : int
        Address of the shared numbers.
    expected : int
    yield_address : int
        Address of the system's function that yields the core; 0 if there is none.

    Returns
    -------
    complete : bool
        False if a worker failed.
    """
    add_atomically(barrier + ARRIVALS, 1)
    glances = 0
    while read_atomically(barrier + ARRIVALS) < expected:
        if read_atomically(barrier + FAULTS) >= ABANDONED:
            return False
        _rest(glances, yield_address)
        glances += 1
    return True


@njit
def are_present(barrier: int, helpers: int) -> bool:
    """Whether all helpers are present."""
    return bool(read_atomically(barrier + PRESENT) >= helpers)


@njit
def await_presence(barrier: int, helpers: int, most: int, yield_address: int) -> None:
    """Wait, for ``most`` ticks at most (no limit if negative), until all helpers are present or a worker has failed."""
    glances, begin = 0, ticks()
    while not are_present(barrier, helpers) and read_atomically(barrier + FAULTS) < ABANDONED:
        if 0 <= most <= ticks() - begin:
            break
        _rest(glances, yield_address)
        glances += 1


@njit
def let_join(barrier: int, step: int) -> None:
    """Tell the helpers, all present, to join at a step: from there on the leader waits for them."""
    write_atomically(barrier + JOIN, step + 1)


@njit
def await_joining(barrier: int, yield_address: int) -> int:
    """Report a helper as present, then wait for and return the step to join at, or `NOT_NEEDED`."""
    add_atomically(barrier + PRESENT, 1)
    told, glances = 0, 0
    while told == 0:
        _rest(glances, yield_address)
        glances += 1
        told = read_atomically(barrier + JOIN)
    return int(told - 1) if told > 0 else NOT_NEEDED


@njit
def dismiss(barrier: int, step: int) -> None:
    """Tell the helpers to leave before a step, which is not step 0.

    A helper that the system has suspended reads this late or, before it has joined, early; it still takes part until
    that step, because the leader waits for it.
    """
    write_atomically(barrier + LEAVE, step)


@njit
def are_dismissed(barrier: int, step: int) -> bool:
    """Whether the helpers are to leave before this step."""
    return bool(0 < read_atomically(barrier + LEAVE) <= step)


@njit
def report_fault(barrier: int) -> None:
    """Report a fault to all workers; they continue to the end, because the others wait there."""
    add_atomically(barrier + FAULTS, 1)


@njit
def is_faultless(barrier: int) -> bool:
    """Whether no fault was reported."""
    return bool(read_atomically(barrier + FAULTS) == 0)
