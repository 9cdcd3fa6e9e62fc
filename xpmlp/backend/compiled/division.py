"""An instruction divided between threads: to each a part of its matrices, and of what it reads what that part needs.

Every number is computed as it would be by one thread: only the sums of a product may be formed in another order, where
BLAS has other code for matrices of another size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from xpmlp.backend.compiled.instructions import Buffer, Instruction, Operand

Part = tuple[int, int]
"""From where to where an axis goes."""

UNIT = 8
"""Columns are divided at multiples of it, as many as the processor computes with at once."""

ELEMENT, ELEMENT_OF_SOFTMAX = 10, 50
"""About as many multiply-adds of a product take as long as one number of another instruction."""

LEAST_WORK = 40_000
"""Multiply-adds, about a microsecond: what is less than this for each thread is left to the first one."""

LEAST_STEP, LEAST_INSTRUCTION = 250_000, 8_000
"""Multiply-adds of a step, and on average of an instruction, for the square of the number of threads.

What each thread has to do becomes less by their number, and what they wait for each other becomes more by it, and by
the number of instructions.
"""

SHARED_LINES = 2000
"""About as many numbers of a factor are read in the time that a row takes whose ends two threads write to."""

LEAST_TERMS = 5
"""The terms of a product's sums are divided between threads if it has at least this many times as many as rows."""

DOWN_ROWS = {"sum", "add_rows"}
"""Instructions whose numbers depend on all rows, in their order."""

ALONG_ROWS = {"softmax", "dot", "total", "largest"}
"""Instructions whose numbers depend on a whole row."""

NOTHING = (0, 1, 1)
"""The sizes of what a thread does not take part in."""


def threads_for(instructions: Sequence[Instruction], threads: int) -> int:
    """The number of threads, of those that there are, that pay for a step."""
    least = max(LEAST_STEP, LEAST_INSTRUCTION * len(instructions))
    return max(1, min(threads, math.isqrt(sum(map(_work, instructions)) // least)))


def by_terms(instruction: Instruction, threads: int) -> list[Instruction]:
    """A product whose terms are divided, with the sum of the matrices that the threads make; or the instruction alone.

    It pays for a product of few rows with a large second factor: that is the weights, which the update divides by
    rows.  So each thread goes on reading what it has written, which is in the cache of its own core.
    """
    (runs, rows, columns), inner = instruction.sizes, instruction.inner
    is_product = instruction.name == "product" and runs == 1 and not instruction.added
    if threads == 1 or not is_product or inner < LEAST_TERMS * max(rows, threads):
        return [instruction]
    if any(operand.transposed for operand in instruction.operands) or _work(instruction) < threads * LEAST_WORK:
        return [instruction]
    parts, size = Buffer(threads * rows * columns), rows * columns
    product = instruction._replace(out=Operand(parts, 0, columns, 1), terms=True)
    out = instruction.out._replace(row=0, column=1)
    return [product, Instruction("sum", (1, threads, size), out, (Operand(parts, 0, size, 1),))]


def divided(instruction: Instruction, threads: int) -> list[Instruction]:
    """The part of each worker.

    Instructions that take numbers one by one and have the same sizes are divided in the same way.

    Parameters
    ----------
    instruction : Instruction
    threads : int
    """
    if instruction.terms:
        return [_terms_of_worker(instruction, number, threads) for number in range(threads)]
    if threads == 1 or _work(instruction) < threads * LEAST_WORK:
        return [instruction, *[_nothing(instruction)] * (threads - 1)]
    return [_part_of(instruction, *parts) for parts in _parts(instruction, threads)]


class _Split(NamedTuple):
    """Into how many parts each axis is divided."""

    runs: int = 1
    rows: int = 1
    columns: int = 1


def _work(instruction: Instruction) -> int:
    runs, rows, columns = instruction.sizes
    terms = ELEMENT_OF_SOFTMAX if instruction.name == "softmax" else ELEMENT
    if instruction.name == "product":
        terms = max(terms, instruction.inner)
    if instruction.name == "add_rows":
        rows += instruction.inner
    return runs * rows * columns * terms


def _nothing(instruction: Instruction) -> Instruction:
    return instruction._replace(sizes=NOTHING)


def _split(instruction: Instruction, threads: int) -> _Split:
    """How an instruction is divided: by runs if they come out even; or else by rows, which lie together in memory.

    A product is divided by columns, too, if that has its factors read by fewer threads, and is worth that threads
    write to the same lines of the cache.
    """
    runs, rows, columns = instruction.sizes
    if runs % threads == 0:
        return _Split(runs=threads)
    if instruction.name in DOWN_ROWS or (rows == 1 and instruction.name not in ALONG_ROWS):
        return _Split(columns=threads)
    if instruction.name != "product":
        return _Split(rows=threads)

    def cost(across: int) -> float:
        read = instruction.inner * (rows * across / threads + columns / across)
        return read + (SHARED_LINES * rows * across / threads if across > 1 else 0)

    across = min((number for number in range(1, threads + 1) if threads % number == 0), key=cost)
    return _Split(rows=threads // across, columns=across)


def _parts(instruction: Instruction, threads: int) -> list[tuple[Part, Part, Part]]:
    """Of each thread: its runs, rows and columns."""
    split = _split(instruction, threads)
    runs, rows, columns = (
        [(_bound(size, part, number, unit), _bound(size, part + 1, number, unit)) for part in range(number)]
        for size, number, unit in zip(instruction.sizes, split, (1, 1, UNIT), strict=True)
    )
    parts = [(run, row, column) for run in runs for row in rows for column in columns]
    return parts + [((0, 0), (0, 1), (0, 1))] * (threads - len(parts))


def _bound(size: int, part: int, parts: int, unit: int) -> int:
    """Where a part begins: all are of about the same size, and end at whole units."""
    return size if part == parts else min(size, -(-size * part // (parts * unit)) * unit)


def _terms_of_worker(instruction: Instruction, number: int, threads: int) -> Instruction:
    """Some terms of a product, into a matrix of the thread's own."""
    begin, end = (_bound(instruction.inner, part, threads, 1) for part in (number, number + 1))
    first, second = instruction.operands
    rows, columns = instruction.sizes[1:]
    return instruction._replace(
        inner=end - begin,
        out=instruction.out._replace(offset=number * rows * columns),
        operands=(_from(first, 0, 0, begin), _from(second, 0, begin, 0)),
    )


def _part_of(instruction: Instruction, runs: Part, rows: Part, columns: Part) -> Instruction:
    """The instruction for these runs, rows and columns alone."""
    run, row, column = runs[0], rows[0], columns[0]
    first, second = (instruction.operands * 2)[:2]
    if instruction.name == "product":
        first, second = _from(first, run, row, 0), _from(second, run, 0, column)
    elif instruction.name in ("take", "take_bytes"):
        first, second = _from(first, run, 0, column), _from(second, run, 0, row)
    elif instruction.name == "add_rows":
        first, second = _from(first, run, 0, column), _from(second, run, 0, 0)
    else:
        first, second = _from(first, run, row, column), _from(second, run, row, column)
    sizes = (runs[1] - run, rows[1] - row, columns[1] - column)
    return instruction._replace(
        sizes=sizes if all(sizes) else NOTHING,
        out=_from(instruction.out, run, 0 if instruction.name in DOWN_ROWS else row, column),
        operands=(first, second)[: len(instruction.operands)],
        factor=_from(instruction.factor, run, 0, 0),
    )


def _from(operand: Operand, run: int, row: int, column: int) -> Operand:
    """An operand from a run, row and column on."""
    if operand.buffer is None:
        return operand
    row_stride, column_stride = (operand.column, operand.row) if operand.transposed else (operand.row, operand.column)
    return operand._replace(offset=operand.offset + run * operand.run + row * row_stride + column * column_stride)
