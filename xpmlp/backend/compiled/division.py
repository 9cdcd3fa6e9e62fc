"""Division of an instruction between threads: a part of its matrices, and of its operands, for each.

Every number is computed as on one thread; only the sums of a product may be formed in another order, where BLAS has
other code for matrices of another size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from xpmlp.backend.compiled.instructions import Buffer, Instruction, Operand

Part = tuple[int, int]
"""Begin and end of a range along an axis."""

UNIT = 8
"""Columns are divided at multiples of this, the number that the processor computes at once."""

ELEMENT, ELEMENT_OF_SOFTMAX = 10, 50
"""Cost of an element of other instructions, and of a softmax, in multiply-adds of a product."""

LEAST_WORK = 40_000
"""Minimum multiply-adds for each thread, about a microsecond; smaller instructions are left to the first thread."""

LEAST_STEP, LEAST_INSTRUCTION = 250_000, 8_000
"""Multiply-adds of a step, and on average of an instruction, required for the square of the number of threads.

A thread's share of the work shrinks with the number of threads, while the waiting for each other grows with it and with
the number of instructions.
"""

SHARED_LINES = 2000
"""Cost of a row whose ends two threads write to, in elements of a factor that are read."""

LEAST_TERMS = 5
"""Minimum ratio of terms to rows at which the terms of a product's sums are divided between threads."""

DOWN_ROWS = {"sum", "add_rows"}
"""Instructions whose results depend on all rows, in their order."""

ALONG_ROWS = {"softmax", "dot", "total", "largest"}
"""Instructions whose results depend on a whole row."""

NOTHING = (0, 1, 1)
"""Sizes of an instruction for a thread that takes no part in it."""


def threads_for(instructions: Sequence[Instruction], threads: int) -> int:
    """Choose the number of threads that pays for a step, at most ``threads``."""
    least = max(LEAST_STEP, LEAST_INSTRUCTION * len(instructions))
    return max(1, min(threads, math.isqrt(sum(map(_work, instructions)) // least)))


def by_terms(instruction: Instruction, threads: int) -> list[Instruction]:
    """Divide a product by terms, followed by the sum of the threads' matrices; or return the instruction alone.

    This pays for a product of few rows with a large second factor: the weights, whose update is divided by rows.  So
    each thread reads data that it wrote itself, which are in the cache of its own core.
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
    """Divide an instruction into one part for each worker.

    Elementwise instructions of the same sizes are divided in the same way.

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
    """Number of parts along each axis."""

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
    """Choose how to divide an instruction: by runs if they come out even; otherwise by rows, contiguous in memory.

    A product is also divided by columns if its factors are then read by fewer threads, by enough to outweigh the cost
    of threads writing to the same cache lines.
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
    """Return the runs, rows and columns of each thread."""
    split = _split(instruction, threads)
    runs, rows, columns = (
        [(_bound(size, part, number, unit), _bound(size, part + 1, number, unit)) for part in range(number)]
        for size, number, unit in zip(instruction.sizes, split, (1, 1, UNIT), strict=True)
    )
    parts = [(run, row, column) for run in runs for row in rows for column in columns]
    return parts + [((0, 0), (0, 1), (0, 1))] * (threads - len(parts))


def _bound(size: int, part: int, parts: int, unit: int) -> int:
    """Return where a part begins: all are of about the same size, and end at multiples of ``unit``."""
    return size if part == parts else min(size, -(-size * part // (parts * unit)) * unit)


def _terms_of_worker(instruction: Instruction, number: int, threads: int) -> Instruction:
    """Return a worker's share of the terms of a product, summed into a matrix of its own."""
    begin, end = (_bound(instruction.inner, part, threads, 1) for part in (number, number + 1))
    first, second = instruction.operands
    rows, columns = instruction.sizes[1:]
    return instruction._replace(
        inner=end - begin,
        out=instruction.out._replace(offset=number * rows * columns),
        operands=(_from(first, 0, 0, begin), _from(second, 0, begin, 0)),
    )


def _part_of(instruction: Instruction, runs: Part, rows: Part, columns: Part) -> Instruction:
    """Restrict an instruction to these runs, rows and columns."""
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
    """Return an operand that begins at a run, row and column."""
    if operand.buffer is None:
        return operand
    row_stride, column_stride = (operand.column, operand.row) if operand.transposed else (operand.row, operand.column)
    return operand._replace(offset=operand.offset + run * operand.run + row * row_stride + column * column_stride)
