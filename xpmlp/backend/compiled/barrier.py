"""Barrier and commands of the workers that carry out a program together: compiled.

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
"""Bytes at which they lie: arrivals at the barrier, reported faults, helpers present, and the leader's two commands."""

NUMBERS = 40
"""Length of the block in int64."""

ABANDONED = 1 << 32
"""Added to the faults by a worker that failed: nobody is to wait for it."""

NOT_NEEDED = -1
"""The command not to join; 0 is none yet, and a positive number one more than the step to join at."""

GLANCES = 4_000
"""How often a worker looks for the others before it lets another thread have the core: some tens of microseconds."""


@njit
def _rest(glances: int, yield_address: int) -> None:
    """Let time pass between two looks at a shared number."""
    if glances < GLANCES:
        pause()
    else:
        yield_core(yield_address)


@njit
def barrier_wait(barrier: int, expected: int, yield_address: int) -> bool:
    """Arrive at the barrier, and wait until there have been ``expected`` arrivals since the program began.

    Parameters
    ----------
    barrier : int
        Address of the shared numbers.
    expected : int
    yield_address : int
        Address of the system's function that lets another thread have the core; 0 if there is none.

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
    """Wait until all helpers are present or one failed, for ``most`` ticks at most; a negative number is no bound."""
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
    """As a helper, report to be present, and wait for the step to join at, or `NOT_NEEDED`."""
    add_atomically(barrier + PRESENT, 1)
    told, glances = 0, 0
    while told == 0:
        _rest(glances, yield_address)
        glances += 1
        told = read_atomically(barrier + JOIN)
    return int(told - 1) if told > 0 else NOT_NEEDED


@njit
def dismiss(barrier: int, step: int) -> None:
    """Tell the helpers to leave before a step, which is not the first.

    A helper that the system puts aside reads this late or, before it has joined, early; it takes part until that step
    all the same, for the leader waits for it.
    """
    write_atomically(barrier + LEAVE, step)


@njit
def are_dismissed(barrier: int, step: int) -> bool:
    """Whether the helpers are to leave before this step."""
    return bool(0 < read_atomically(barrier + LEAVE) <= step)


@njit
def report_fault(barrier: int) -> None:
    """Tell all workers that something is wrong: they go on to the end, for which the others wait."""
    add_atomically(barrier + FAULTS, 1)


@njit
def is_faultless(barrier: int) -> bool:
    """Whether no fault was reported."""
    return bool(read_atomically(barrier + FAULTS) == 0)
