"""A traced step as numbers for the compiled loop: which kernel, of what sizes, on which memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled.instructions import IN_PLACE, Buffer, Instruction, Operand, Trace
from xpmlp.backend.compiled.layout import BLOCK, NUMBERS, WIDTH

ALIGNMENT = 64
"""Bytes of a line of the cache."""


class Program(NamedTuple):
    """A step that can be carried out.

    Its slots, each with an address and the bytes that it goes on by in a step, are: the arguments, the outputs, the
    memory that it computes in, the pool.

    Attributes
    ----------
    code : (instructions, WIDTH) of int64
    pool : (numbers,)
        What does not change between steps, in the program's dtype.
    memory : int
        Bytes that it computes in.
    """

    code: npt.NDArray[np.int64]
    pool: npt.NDArray[Any]
    memory: int


def assemble(trace: Trace, arguments: int, dtype: Any) -> Program:
    """The program of a traced step.

    Parameters
    ----------
    trace : Trace
    arguments : int
        How many arrays the step takes: of its state, of its batch, and of the constants that it computes with.
    dtype : dtype
        Of all but the row numbers among them.
    """
    pool: list[float] = []
    places, memory = _places(trace, np.dtype(dtype).itemsize)
    slots = {id(buffer): arguments + index for index, buffer in enumerate(trace.outputs)}
    inside, constant = arguments + len(trace.outputs), arguments + len(trace.outputs) + 1

    def place(operand: Operand) -> tuple[int, int]:
        """The slot and byte offset of an operand."""
        if operand.buffer is None:
            pool.append(operand.value)
            return constant, (len(pool) - 1) * np.dtype(dtype).itemsize
        if operand.buffer.argument is not None:
            return operand.buffer.argument, 0
        if id(operand.buffer) in slots:
            return slots[id(operand.buffer)], 0
        return inside, places[id(operand.buffer)]

    lines = []
    for instruction in _in_blocks([_flattened(one) for one in trace.instructions]):
        out, factor = instruction.out, instruction.factor
        line = [NUMBERS[instruction.name], *instruction.sizes, instruction.inner, instruction.added]
        line += [*place(out), out.run, out.row]
        for operand in (instruction.operands * 2)[:2]:
            line += [*place(operand), operand.run, operand.row, 0 if operand.transposed else operand.column]
        lines.append([*line, *place(factor), factor.run])
    code = np.asarray(lines, np.int64).reshape(-1, WIDTH)
    with np.errstate(over="ignore"):  # infinite in the end, as it would be without this program
        return Program(code, np.asarray(pool or [0.0], dtype), memory)


def _places(trace: Trace, itemsize: int) -> tuple[dict[int, int], int]:
    """Byte offsets of what the step makes and does not put out, by the buffer's id, and the bytes in all.

    Memory whose content is not read any more is used for the next buffer of its size.
    """
    put_out = {id(buffer) for buffer in trace.outputs}
    own = [
        [one for one in _buffers(line) if one.argument is None and id(one) not in put_out]
        for line in trace.instructions
    ]
    last = {id(buffer): index for index, buffers in enumerate(own) for buffer in buffers}
    places: dict[int, int] = {}
    free: dict[int, list[int]] = {}
    total = 0
    for index, buffers in enumerate(own):
        for buffer in buffers:
            if id(buffer) not in places:
                size = _aligned(buffer.size * itemsize)
                if free.get(size):
                    places[id(buffer)] = free[size].pop()
                else:
                    places[id(buffer)], total = total, total + size
        for buffer in set(buffers):
            if last[id(buffer)] == index:
                free.setdefault(_aligned(buffer.size * itemsize), []).append(places[id(buffer)])
    return places, total


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _buffers(instruction: Instruction) -> Sequence[Buffer]:
    found = [operand.buffer for operand in (instruction.out, *instruction.operands, instruction.factor)]
    return [buffer for buffer in found if buffer is not None]


def _flattened(instruction: Instruction) -> Instruction:
    """An elementwise instruction over arrays without gaps as one long row, of which a number is an operand, too."""
    runs, rows, columns = instruction.sizes
    if instruction.name not in IN_PLACE or runs == rows == 1:
        return instruction
    operands = (instruction.out, *instruction.operands)
    of_two = len(instruction.operands) == 2  # a kernel of one operand knows no number that is repeated
    repeated = [of_two and operand.run == operand.row == operand.column == 0 for operand in operands]
    strides = [
        stride if size > 1 else 0 for size, stride in zip(instruction.sizes, (rows * columns, columns, 1), strict=True)
    ]
    dense = [list(operand[1:4]) == strides for operand in operands]
    if not all(one or other for one, other in zip(repeated, dense, strict=True)):
        return instruction
    out, *others = (
        operand if number else operand._replace(run=0, row=0, column=1)
        for operand, number in zip(operands, repeated, strict=True)
    )
    return instruction._replace(sizes=(1, 1, runs * rows * columns), out=out, operands=tuple(others))


def _in_blocks(instructions: list[Instruction]) -> list[Instruction]:
    """With elementwise instructions of the same length that follow each other told to go on together.

    They do to each number what they did in their order: what one writes, the others read at the same place.
    """
    result: list[Instruction] = []
    for (elementwise, sizes), group in itertools.groupby(instructions, lambda one: (one.name in IN_PLACE, one.sizes)):
        members = list(group)
        if elementwise and sizes[:2] == (1, 1) and sizes[2] > BLOCK:
            members[0] = members[0]._replace(inner=len(members))
        result += members
    return result
