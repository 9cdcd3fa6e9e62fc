"""A traced step as a list of instructions on matrices in buffers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled.layout import ONE_BY_ONE

Shape = tuple[int, ...]
Sizes = tuple[int, int, int]


class NotTraceableError(TypeError):
    """An operation that instructions cannot express."""


class NestedScanError(NotTraceableError):
    """A fold within a step: it is its steps that are compiled."""


class Buffer:
    """Memory that symbols stand for.

    Attributes
    ----------
    size : int
        In numbers.
    argument : int, optional
        Which of the step's arguments lives in it; ``None`` for what the step makes itself.
    dtype : dtype, optional
        Of its numbers, if not that of the step.
    layout : (size,) of int8
        Memory that is never touched, a byte for each number: NumPy's views of it say where theirs lie.
    """

    def __init__(
        self, size: int, argument: int | None = None, dtype: Any = None, layout: npt.NDArray[np.int8] | None = None
    ) -> None:
        self.size, self.argument, self.dtype = size, argument, dtype
        self.layout = np.empty(size, np.int8) if layout is None else layout


class Operand(NamedTuple):
    """Matrices in a buffer, one for each run, or a number.

    Attributes
    ----------
    buffer : Buffer or None
        ``None`` for the number ``value``.
    run, row, column : int
        Strides in numbers; 0 repeats what is there.
    value : float
    transposed : bool
        Of a product: whether the strides are those of the transposed matrices.
    offset : int
        Of the first number in the buffer.
    """

    buffer: Buffer | None
    run: int = 0
    row: int = 0
    column: int = 0
    value: float = 0.0
    transposed: bool = False
    offset: int = 0


class Instruction(NamedTuple):
    """One operation on the matrices of each run.

    Attributes
    ----------
    name : str
        Of the kernel.
    sizes : (runs, rows, columns)
        Of the result; of the operand, for a sum.
    out : Operand
    operands : tuple of Operand
    inner : int
        Of how many terms a product's sums are; out of how many rows some are taken, or to how many they are added; how
        many elementwise ones go on together.
    factor : Operand
        One number for each run: what a product or a sum is multiplied by.
    added : bool
        Whether a product or a sum is added to what is there.
    terms : bool
        Of a product that several threads carry out: whether each sums a part of the terms, and puts out a matrix.
    """

    name: str
    sizes: Sizes
    out: Operand
    operands: tuple[Operand, ...]
    inner: int = 0
    factor: Operand = Operand(None, value=1.0)
    added: bool = False
    terms: bool = False


class Trace(NamedTuple):
    """A traced step.

    Attributes
    ----------
    instructions : list of Instruction
    outputs : list of Buffer
        What the step put out, in buffers of its own.
    shapes : list of tuple of int
        Of the outputs.
    structure : tree of int
        The state that the step gave back: for each leaf the argument that it is written over.
    captured : list of array
        Small arrays that were neither: arguments beyond those that the step was given.
    """

    instructions: list[Instruction]
    outputs: list[Buffer]
    shapes: list[Shape]
    structure: Any
    captured: list[Any]


IN_PLACE = set(ONE_BY_ONE) - {"spread"}
"""The kernels that take numbers one by one, and so may write over an operand."""
