"""Assembly of a traced step into numbers for the compiled loop: kernels, sizes and memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled.division import by_terms, divided, threads_for
from xpmlp.backend.compiled.instructions import IN_PLACE, Buffer, Instruction, Operand, Trace
from xpmlp.backend.compiled.layout import BLOCK, NUMBERS, WIDTH

ALIGNMENT = 64
"""Bytes of a cache line."""


class Program(NamedTuple):
    """An executable step.

    Its slots, each with an address and an advance in bytes per step, are: the arguments, the outputs, the working
    memory, the pool.

    Attributes
    ----------
    code : (threads, instructions, WIDTH) of int64
        The part of each worker.
    pool : (numbers,)
        Constant numbers, in the program's dtype.
    memory : int
        Bytes of working memory.
    names : list of str
        Names of the instructions, for display.
    """

    code: npt.NDArray[np.int64]
    pool: npt.NDArray[Any]
    memory: int
    names: list[str]


def assemble(trace: Trace, arguments: int, dtype: Any, threads: int = 1) -> Program:
    """Assemble the program of a traced step.

    Parameters
    ----------
    trace : Trace
    arguments : int
        Number of arrays that the step takes: of its state, its batch and the constants it computes with, and captured
        ones.
    dtype : dtype
        Dtype of all of them but integers.
    threads : int
        Number of threads available; only as many as pay are used.
    """
    pool: list[float] = []
    itemsize = np.dtype(dtype).itemsize
    threads = threads_for(trace.instructions, threads)
    instructions = [part for one in trace.instructions for part in by_terms(one, threads)]
    offsets, memory = _offsets(instructions, trace.outputs, np.dtype(dtype))
    slots = {id(buffer): arguments + index for index, buffer in enumerate(trace.outputs)}
    inside, constant = arguments + len(trace.outputs), arguments + len(trace.outputs) + 1

    def width(operand: Operand) -> int:
        """Return the size of an operand's elements, in reals."""
        own = operand.buffer.dtype if operand.buffer else None
        size: int = np.dtype(own or dtype).itemsize // itemsize
        return max(1, size)

    def slot_and_offset(operand: Operand) -> tuple[int, int]:
        """Return the slot and byte offset of an operand."""
        if operand.buffer is None:
            pool.append(operand.value)
            return constant, (len(pool) - 1) * itemsize
        begin = operand.offset * np.dtype(operand.buffer.dtype or dtype).itemsize
        if operand.buffer.argument is not None:
            return operand.buffer.argument, begin
        if id(operand.buffer) in slots:
            return slots[id(operand.buffer)], begin
        return inside, offsets[id(operand.buffer)] + begin

    def line_of(instruction: Instruction) -> list[int]:
        out, factor = instruction.out, instruction.factor
        line = [NUMBERS[instruction.name], *instruction.sizes, instruction.inner, instruction.added]
        line += [*slot_and_offset(out), out.run * width(out), out.row]
        for operand in (instruction.operands * 2)[:2]:
            column = 0 if operand.transposed else operand.column
            line += [*slot_and_offset(operand), operand.run * width(operand), operand.row, column]
        return [*line, *slot_and_offset(factor), factor.run]

    instructions = _in_blocks([_as_matrix(one) for one in instructions])
    parts = zip(*(divided(one, threads) for one in instructions), strict=True)
    lines = [[line_of(_flattened(one)) for one in part] for part in parts]
    code = np.asarray(lines, np.int64).reshape(threads, -1, WIDTH)
    with np.errstate(over="ignore"):  # infinite in the end, as it would be without this program
        return Program(code, np.asarray(pool or [0.0], dtype), memory, [_name(one) for one in instructions])


def _name(instruction: Instruction) -> str:
    """Name an instruction by its operation and its sizes."""
    runs, rows, columns = instruction.sizes
    sizes = (rows, instruction.inner, columns) if instruction.name == "product" else (rows, columns)
    more = f" and {instruction.inner - 1} more" if instruction.name in IN_PLACE and instruction.inner > 1 else ""
    return f"{instruction.name}{more}, {'x'.join(map(str, sizes if runs == 1 else (runs, *sizes)))}"


def _offsets(
    instructions: Sequence[Instruction], outputs: Sequence[Buffer], dtype: np.dtype[Any]
) -> tuple[dict[int, int], int]:
    """Return the byte offsets of the step's intermediate arrays, by buffer id, and the bytes in all.

    Memory that is not read any more is reused for the next buffer of its size.
    """

    def size_of(buffer: Buffer) -> int:
        return _aligned(buffer.size * np.dtype(buffer.dtype or dtype).itemsize)

    put_out = {id(buffer) for buffer in outputs}
    own = [[one for one in _buffers(line) if one.argument is None and id(one) not in put_out] for line in instructions]
    last = {id(buffer): index for index, buffers in enumerate(own) for buffer in buffers}
    offsets: dict[int, int] = {}
    free: dict[int, list[int]] = {}
    total = 0
    for index, buffers in enumerate(own):
        for buffer in buffers:
            if id(buffer) not in offsets:
                size = size_of(buffer)
                if free.get(size):
                    offsets[id(buffer)] = free[size].pop()
                else:
                    offsets[id(buffer)], total = total, total + size
        for buffer in set(buffers):
            if last[id(buffer)] == index:
                free.setdefault(size_of(buffer), []).append(offsets[id(buffer)])
    return offsets, total


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _buffers(instruction: Instruction) -> Sequence[Buffer]:
    found = [operand.buffer for operand in (instruction.out, *instruction.operands, instruction.factor)]
    return [buffer for buffer in found if buffer is not None]


def _as_matrix(instruction: Instruction) -> Instruction:
    """Give a product's result the stride of a row, which BLAS requires of a single row, too."""
    if instruction.name != "product":
        return instruction
    return instruction._replace(out=instruction.out._replace(row=instruction.sizes[2]))


def _flattened(instruction: Instruction) -> Instruction:
    """Flatten an elementwise instruction over contiguous arrays to one long row; operands may also be numbers."""
    runs, rows, columns = instruction.sizes
    if instruction.name not in IN_PLACE or runs == rows == 1 or not runs:
        return instruction
    operands = (instruction.out, *instruction.operands)
    of_two = len(instruction.operands) == 2  # a kernel of one operand knows no number that is repeated
    repeated = [of_two and operand.run == operand.row == operand.column == 0 for operand in operands]
    strides = [
        stride if size > 1 else 0 for size, stride in zip(instruction.sizes, (rows * columns, columns, 1), strict=True)
    ]
    dense = [list(operand[1:4]) == strides for operand in operands]
    if all(repeated[1:]) or not all(one or other for one, other in zip(repeated, dense, strict=True)):
        return instruction
    out, *others = (
        operand if number else operand._replace(run=0, row=0, column=1)
        for operand, number in zip(operands, repeated, strict=True)
    )
    return instruction._replace(sizes=(1, 1, runs * rows * columns), out=out, operands=tuple(others))


def _in_blocks(instructions: list[Instruction]) -> list[Instruction]:
    """Group consecutive elementwise instructions over the same contiguous matrices, to be carried out together.

    The results stay the same: each instruction reads an element at the place where an earlier one wrote it.
    """

    def kind(instruction: Instruction) -> tuple[bool, tuple[int, ...]]:
        flat = _flattened(instruction)
        return flat.name in IN_PLACE and flat.sizes[:2] == (1, 1) and flat.sizes[2] > BLOCK, instruction.sizes

    result: list[Instruction] = []
    for (together, _), group in itertools.groupby(instructions, kind):
        members = list(group)
        if together:
            members[0] = members[0]._replace(inner=len(members))
        result += members
    return result
