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
    """A fold within a step; only the inner fold's steps are compiled."""


class Buffer:
    """Memory behind symbols.

    Attributes
    ----------
    size : int
        Number of elements.
    argument : int, optional
        Index of the step's argument that it holds; ``None`` for arrays made by the step.
    dtype : dtype, optional
        Dtype of its elements, if not the step's.
    layout : (size,) of int8
        Placeholder memory, never touched, one byte for each element: NumPy views of it give the positions of elements.
    """

    def __init__(
        self, size: int, argument: int | None = None, dtype: Any = None, layout: npt.NDArray[np.int8] | None = None
    ) -> None:
        self.size, self.argument, self.dtype = size, argument, dtype
        self.layout = np.empty(size, np.int8) if layout is None else layout


class Operand(NamedTuple):
    """Matrices in a buffer, one for each run, or a single number.

    Attributes
    ----------
    buffer : Buffer or None
        ``None`` for the number ``value``.
    run, row, column : int
        Strides in elements; 0 repeats an element.
    value : float
    transposed : bool
        For a product: whether the strides are those of the transposed matrices.
    offset : int
        Position of the first element in the buffer.
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
        Name of the kernel.
    sizes : (runs, rows, columns)
        Sizes of the result; of the operand, for a sum.
    out : Operand
    operands : tuple of Operand
    inner : int
        Number of terms in a product's sums; of rows in a table that rows are taken from or added to; or of elementwise
        instructions carried out together.
    factor : Operand
        Factor of a product or a sum, one number for each run.
    added : bool
        Whether a product or a sum is added to the existing numbers.
    terms : bool
        For a product divided between threads: whether each sums a part of the terms into a matrix of its own.
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
        The step's outputs, each in its own buffer.
    shapes : list of tuple of int
        Shapes of the outputs.
    structure : tree of int
        The state returned by the step: for each leaf, the index of the argument that it overwrites.
    captured : list of array
        Small arrays from outside the step's arguments, passed as further arguments.
    """

    instructions: list[Instruction]
    outputs: list[Buffer]
    shapes: list[Shape]
    structure: Any
    captured: list[Any]


IN_PLACE = set(ONE_BY_ONE) - {"spread"}
"""Elementwise kernels, which may write over an operand."""
