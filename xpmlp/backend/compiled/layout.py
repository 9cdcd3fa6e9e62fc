"""The layout of an instruction as a line of integers: its kernel, its sizes, its operands and their strides."""

from __future__ import annotations

from typing import Any, NamedTuple

PRODUCT, SUM, DOT, SOFTMAX, TAKE, TAKE_BYTES, TOTAL, LARGEST, ADD_ROWS = range(9)
INDEX_WIDEN, INDEX_ADD, INDEX_EQUAL, INDEX_REAL, SPREAD = range(9, 14)
"""Numbers of the kernels on matrices and rows, of those on integers, and of the first elementwise kernel."""

ONE_BY_ONE = (
    *("spread", "copy", "negative", "exp", "expm1", "sqrt", "tanh", "sigmoid"),
    *("add", "subtract", "multiply", "divide", "maximum", "greater", "sigmoid_backward"),
    *("equal", "select", "log", "log1p", "sin", "cos", "sign", "absolute"),
)
"""Elementwise kernels: of one operand, of two, and rarer ones."""

NUMBERS = {name.lower(): number for name, number in globals().items() if name.isupper() and isinstance(number, int)}
NUMBERS.update({name: SPREAD + number for number, name in enumerate(ONE_BY_ONE)})
"""Numbers of the kernels, by name."""

KERNEL, RUNS, ROWS, COLUMNS, INNER, ADDED, OUT, A, B, FACTOR, WIDTH = 0, 1, 2, 3, 4, 5, 6, 10, 15, 20, 23
"""Positions of an instruction's integers: the kernel; the sizes; terms of a sum, rows to take from or to add to, or
elementwise instructions carried out together; whether the result is added; the result, two operands and the factor; and
their number.
"""

SLOT, OFFSET, RUN, ROW, COLUMN = range(5)
"""Positions of an operand's integers: its slot, the byte offset there, and strides in elements (the run stride of
integers is in reals).  A product's operand with a column stride of 0 is transposed.  The result has no column stride;
the factor has only a run stride.
"""

A_ROW, A_COLUMN, B_ROW, B_COLUMN, OUT_ROW = A + ROW, A + COLUMN, B + ROW, B + COLUMN, OUT + ROW
"""Positions of the strides of the operands and of the result."""

BLOCK = 1024
"""Number of elements that consecutive elementwise instructions process together, while in the core's first cache."""


class Slots(NamedTuple):
    """Addresses of a program's arrays, for kernels.

    Attributes
    ----------
    addresses, strides : int
        Addresses of (slots,) int64: the start of each array, and its advance in bytes per step.
    size : int
        Bytes of an element.
    like : number
        A number of the elements' type.
    """

    addresses: int
    strides: int
    size: int
    like: Any


class Gemm(NamedTuple):
    """BLAS's product of row-major matrices, for kernels.

    Attributes
    ----------
    address : int
    unpacked : int
        See `xpmlp.backend.blas.Product`.
    integer : number
        A number of the type of its sizes.
    """

    address: int
    unpacked: int
    integer: Any
