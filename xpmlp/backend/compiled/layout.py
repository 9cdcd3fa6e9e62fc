"""How an instruction is written as integers: which kernel it names, and what stands where in its line."""

from __future__ import annotations

PRODUCT, SUM, DOT, SOFTMAX, TAKE, TAKE_BYTES, TOTAL, LARGEST, ADD_ROWS = range(9)
INDEX_WIDEN, INDEX_ADD, INDEX_EQUAL, INDEX_REAL = range(9, 13)
SPREAD, COPY, NEGATIVE, EXP, EXPM1, SQRT, TANH, SIGMOID = range(13, 21)
ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, GREATER, SIGMOID_BACKWARD = range(21, 28)
ABSOLUTE, SIGN, LOG, LOG1P, SIN, COS, EQUAL, SELECT = range(28, 36)
"""The kernels: those of matrices and of rows, those of whole numbers, and those that take numbers one by one, of one
operand, of two, and rarer ones."""

NUMBERS = {name.lower(): number for name, number in globals().items() if name.isupper()}
"""The kernels by the name that instructions give them."""

KERNEL, RUNS, ROWS, COLUMNS, INNER, ADDED, OUT, A, B, FACTOR, WIDTH = 0, 1, 2, 3, 4, 5, 6, 10, 15, 20, 23
"""Where the integers of an instruction begin: the kernel; the sizes; terms of a sum, rows to take from or to add to, or
elementwise instructions that go on together; whether it is added; the result, two operands and the factor; how many
they are."""

SLOT, OFFSET, RUN, ROW, COLUMN = range(5)
"""Those of an operand: its slot, bytes from there, and strides in numbers; of whole numbers, that of runs is in reals.
A product's with a column stride of 0 lies transposed.  The result has no column stride, the factor no stride but that
of runs."""

BLOCK = 1024
"""Numbers that elementwise instructions in a row take together, while they are in the core's first cache."""
