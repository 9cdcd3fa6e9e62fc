"""The layout of an instruction as a line of integers: its kernel, its sizes, its operands and their strides."""

from __future__ import annotations

from typing import Any, NamedTuple

PRODUCT, SUM, DOT, SOFTMAX, TAKE, TAKE_BYTES, TOTAL, LARGEST, ADD_ROWS = range(9)
INDEX_WIDEN, INDEX_ADD, INDEX_EQUAL, INDEX_REAL, SPREAD = range(9, 14)
"""The kernels of matrices and of rows, those of whole numbers, and the first of those that take numbers one by one."""

ONE_BY_ONE = (
    *("spread", "copy", "negative", "exp", "expm1", "sqrt", "tanh", "sigmoid"),
    *("add", "subtract", "multiply", "divide", "maximum", "greater", "sigmoid_backward"),
    *("equal", "select", "log", "log1p", "sin", "cos", "sign", "absolute"),
)
"""Those that take numbers one by one: of one operand, of two, and rarer ones."""

NUMBERS = {name.lower(): number for name, number in globals().items() if name.isupper() and isinstance(number, int)}
NUMBERS.update({name: SPREAD + number for number, name in enumerate(ONE_BY_ONE)})
"""The kernels by the name that instructions give them."""

KERNEL, RUNS, ROWS, COLUMNS, INNER, ADDED, OUT, A, B, FACTOR, WIDTH = 0, 1, 2, 3, 4, 5, 6, 10, 15, 20, 23
"""Where the integers of an instruction begin: the kernel; the sizes; terms of a sum, rows to take from or to add to, or
elementwise instructions that go on together; whether it is added; the result, two operands and the factor; how many
they are."""

SLOT, OFFSET, RUN, ROW, COLUMN = range(5)
"""Those of an operand: its slot, bytes from there, and strides in numbers; of whole numbers, that of runs is in reals.
A product's with a column stride of 0 lies transposed.  The result has no column stride, the factor no stride but that
of runs."""

A_ROW, A_COLUMN, B_ROW, B_COLUMN, OUT_ROW = A + ROW, A + COLUMN, B + ROW, B + COLUMN, OUT + ROW
"""Where the strides of the operands and of the result stand."""

BLOCK = 1024
"""Numbers that elementwise instructions in a row take together, while they are in the core's first cache."""


class Slots(NamedTuple):
    """Where the arrays of a program lie, for kernels.

    Attributes
    ----------
    addresses, strides : int
        Addresses of (slots,) int64: where each array begins, and by how many bytes it goes on in a step.
    size : int
        Bytes of a number.
    like : number
        Of the type of its numbers.
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
        Of the type of its sizes.
    """

    address: int
    unpacked: int
    integer: Any
