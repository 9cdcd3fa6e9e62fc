"""The loop over the steps and instructions of a program, which calls the kernels.

Matrices are given as addresses with strides, so that one compiled loop runs every program.  `compilation` compiles it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled import layout
from xpmlp.backend.compiled.barrier import (
    NOT_NEEDED,
    are_dismissed,
    are_present,
    await_joining,
    await_presence,
    barrier_wait,
    dismiss,
    is_faultless,
    let_join,
    report_fault,
)
from xpmlp.backend.compiled.elementwise import one_by_one
from xpmlp.backend.compiled.intrinsics import operand_address, row_of, ticks
from xpmlp.backend.compiled.layout import BLOCK, Gemm, Slots
from xpmlp.backend.compiled.products import product
from xpmlp.backend.compiled.rows import row_by_row

ALLOWANCE, WAIT, LIMIT, ACCOUNT, LOSING, ALONE_STEPS, ALONE_TICKS, BEGIN, END, FIGURES = range(10)
"""Positions of the figures in `execute`'s ``pace``, and their number."""

NEVER = -1
"""Allowance with which helpers are awaited before the first step and never dismissed."""

FAULTY = -1
"""Returned in place of a step after a row index out of range or the failure of a worker."""


@njit(inline="always")
def _elements(line: Any, step: int, run: int, first: int, length: int, slots: Slots) -> None:
    """Compute an elementwise instruction on ``length`` numbers of each row, from ``first`` on."""
    size, like = slots.size, slots.like
    out = operand_address(line, layout.OUT, step, run, slots) + first * size
    a = operand_address(line, layout.A, step, run, slots) + first * line[layout.A_COLUMN] * size
    b = operand_address(line, layout.B, step, run, slots) + first * line[layout.B_COLUMN] * size
    for i in range(line[layout.ROWS]):
        x = row_of(a + i * line[layout.A_ROW] * size, length, like)
        z = row_of(b + i * line[layout.B_ROW] * size, length, like)
        y = row_of(out + i * line[layout.OUT_ROW] * size, length, like)
        one_by_one(
            line[layout.KERNEL],
            length,
            x,
            line[layout.A_COLUMN],
            z,
            line[layout.B_COLUMN],
            y,
            a == out,
        )


@njit(inline="always")
def _carry_out(lines: Any, index: int, step: int, slots: Slots, gemm: Gemm) -> bool:
    """Carry out one part of an instruction, or of several elementwise ones together; false for a row out of range."""
    line, in_range = lines[index], True
    if line[layout.KERNEL] >= layout.SPREAD:
        together, length = max(line[layout.INNER], 1), line[layout.COLUMNS]
        if together > 1:
            length = BLOCK
        for first in range(0, line[layout.COLUMNS] if line[layout.RUNS] else 0, length):
            count = min(length, line[layout.COLUMNS] - first)
            for member in range(index, index + together):
                for run in range(line[layout.RUNS]):
                    _elements(lines[member], step, run, first, count, slots)
    else:
        for run in range(line[layout.RUNS]):
            if line[layout.KERNEL] == layout.PRODUCT:
                product(line, step, run, slots, gemm)
            elif not row_by_row(line, step, run, slots):
                in_range = False
    return in_range


def execute(
    code: Any,
    slots: Any,
    gemm: Any,
    first: int,
    last: int,
    worker: int,
    helpers: int,
    barrier: int,
    yield_address: int,
    pace: Any,
    spent: Any,
) -> int:
    """Carry out a program step by step, as its leader or as one of its helpers.

    Each instruction is cut into parts that are fixed in the code, so that the results do not depend on who carries them
    out.  The leader carries out all of them until its helpers are present; from then on each worker has its own.

    The leader keeps an account of the time that its helpers save, in ticks of the processor's clock: each step adds the
    time that the leader alone would take, and subtracts the time that passed.  When it is overdrawn, for example
    because other programs have the helpers' cores, the leader dismisses them and returns.

    Parameters
    ----------
    code : (parts, instructions, WIDTH) of int64
    slots, gemm : tuple
        The fields of `Slots` and of `Gemm`: Numba takes plain tuples from Python in less time.
    first, last : int
        The range of steps, ``last`` not included.
    worker : int
        0 for the leader.
    helpers : int
        Number of helpers, without the leader.
    barrier : int
        Address of the shared numbers of `xpmlp.backend.compiled.barrier`, zero at the beginning.
    yield_address : int
        See `barrier_wait`.
    pace : (FIGURES,) of int64
        For the leader.  ``ALLOWANCE``: the ticks that it alone takes for a step, or `NEVER`; ``WAIT``: how long it
        waits for its helpers before the first step; ``LIMIT``: the most that the account holds.  ``ACCOUNT``, and
        ``LOSING``, the ticks since it last held the most, are read and written; only written are ``ALONE_STEPS`` and
        ``ALONE_TICKS``, the steps that the leader carried out alone, and ``BEGIN`` and ``END``, the clock.
    spent : (instructions,) of int64
        Accumulates the ticks of each instruction, including the wait for the others; not measured if empty.

    Returns
    -------
    step : int
        The first step not carried out: ``last``, or the step before which the leader dismissed its helpers; `FAULTY` if
        the results are unusable.
    """
    arrays, blas = Slots(slots[0], slots[1], slots[2], slots[3]), Gemm(gemm[0], gemm[1], gemm[2])
    parts, instructions, _ = code.shape
    workers, arrivals = helpers + 1, 0
    together, step = worker > 0, first
    if worker > 0:
        step = await_joining(barrier, yield_address)
        if step == NOT_NEEDED:
            return first
    if worker == 0 and helpers > 0:
        await_presence(barrier, helpers, pace[WAIT], yield_address)
    begin = ticks()
    if worker == 0:
        pace[BEGIN] = begin
    while step < last:
        if not together and helpers > 0 and are_present(barrier, helpers):
            let_join(barrier, step)
            together = True
        index = np.int64(0)  # a literal would have the kernels compiled once more
        while index < instructions:
            line, start = code[0, index], ticks() if len(spent) else 0
            for part in range(worker if together else 0, parts, workers if together else 1):
                if not _carry_out(code[part], index, step, arrays, blas):
                    report_fault(barrier)
            following = index + (max(line[layout.INNER], 1) if line[layout.KERNEL] >= layout.SPREAD else 1)
            if worker == 0 and following == instructions:  # before the others can go on to the next step
                now = ticks()
                if together:
                    pace[ACCOUNT] = min(pace[ACCOUNT] + pace[ALLOWANCE] - (now - begin), pace[LIMIT])
                    pace[LOSING] = 0 if pace[ACCOUNT] == pace[LIMIT] else pace[LOSING] + now - begin
                    if pace[ACCOUNT] < 0 and pace[ALLOWANCE] != NEVER:
                        dismiss(barrier, step + 1)
                else:
                    pace[ALONE_STEPS] += 1
                    pace[ALONE_TICKS] += now - begin
                begin = now
            if together:
                arrivals += workers
                if not barrier_wait(barrier, arrivals, yield_address):
                    return FAULTY
            if len(spent):
                spent[index] += ticks() - start
            index = following
        step += 1
        if together and are_dismissed(barrier, step):
            break
    if worker == 0:
        pace[END] = ticks()
    return step if is_faultless(barrier) else FAULTY
