"""The loop over the steps and instructions of a program, which calls the kernels.

Matrices come as addresses with strides, so that one compiled loop runs every program.  `compilation` compiles it.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from xpmlp.backend.compiled.elementwise import one_by_one
from xpmlp.backend.compiled.intrinsics import row_of, ticks
from xpmlp.backend.compiled.layout import (
    BLOCK,
    COLUMN,
    COLUMNS,
    COPY,
    INNER,
    KERNEL,
    OUT,
    PRODUCT,
    ROW,
    ROWS,
    RUNS,
    A,
    B,
)
from xpmlp.backend.compiled.meeting import is_faultless, meet, report_fault
from xpmlp.backend.compiled.places import place_of
from xpmlp.backend.compiled.products import product
from xpmlp.backend.compiled.rows import row_by_row


@njit
def _elements(
    line: Any, step: int, run: int, first: int, length: int, addresses: Any, strides: Any, size: int, like: Any
) -> None:
    """An elementwise instruction, or of each row the numbers from the first on."""
    out = place_of(line, OUT, step, run, addresses, strides, size) + first * size
    a = place_of(line, A, step, run, addresses, strides, size) + first * line[A + COLUMN] * size
    b = place_of(line, B, step, run, addresses, strides, size) + first * line[B + COLUMN] * size
    for i in range(line[ROWS]):
        x = row_of(a + i * line[A + ROW] * size, length, like)
        z = row_of(b + i * line[B + ROW] * size, length, like)
        y = row_of(out + i * line[OUT + ROW] * size, length, like)
        one_by_one(line[KERNEL], length, x, line[A + COLUMN], z, line[B + COLUMN], y, a == out)


def execute(
    code: Any,
    addresses: Any,
    strides: Any,
    steps: int,
    gemm: int,
    unpacked: int,
    integer: Any,
    size: int,
    like: Any,
    threads: int,
    meeting: int,
    way: int,
    spent: Any,
) -> bool:
    """Carry one thread's share of a program out, step by step.

    Parameters
    ----------
    code : (instructions, WIDTH) of int64
    addresses, strides : (slots,) of int64
        Where the arguments, the outputs, the memory and the pool begin, and by how many bytes each goes on in a step.
    steps : int
    gemm : int
        The address of BLAS's product of row-major matrices.
    unpacked : int
        See `xpmlp.backend.blas.Product`.
    integer, like : numbers
        Of the types of its sizes and of its matrices.
    size : int
        Bytes of a number.
    threads : int
        That carry the program out together.  They wait for each other after every instruction.
    meeting : int
        Where they do: the address of a meeting, new.
    way : int
        See `meet`.
    spent : (instructions,) of int64
        To each the ticks are added that it took, with the wait for the others; none are, where it is empty.

    Returns
    -------
    done : bool
        False where a row was to be taken that is not there, by any thread; what was computed is of no use then.
    """
    expected = 0
    for step in range(steps):
        index = 0
        while index < len(code):
            line, together, start = code[index], 1, ticks() if len(spent) else 0
            if line[KERNEL] >= COPY:
                together, length = max(line[INNER], 1), line[COLUMNS]
                if together > 1:
                    length = BLOCK
                for first in range(0, line[COLUMNS] if line[RUNS] else 0, length):
                    count = min(length, line[COLUMNS] - first)
                    for member in range(index, index + together):
                        for run in range(line[RUNS]):
                            _elements(code[member], step, run, first, count, addresses, strides, size, like)
            else:
                for run in range(line[RUNS]):
                    if line[KERNEL] == PRODUCT:
                        product(line, step, run, addresses, strides, gemm, unpacked, integer, size, like)
                    elif not row_by_row(line, step, run, addresses, strides, size, like):
                        report_fault(meeting)
            if threads > 1:
                expected += threads
                if not meet(meeting, expected, way):
                    return False
            if len(spent):
                spent[index] += ticks() - start
            index += together
    return bool(is_faultless(meeting))
