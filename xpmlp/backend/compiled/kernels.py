"""The kernels that instructions name, and the loop over steps that calls them: compiled by Numba when first used.

Matrices come as addresses with strides, so that one compiled loop runs every program.  Numba keeps it beside this file,
or in the user's cache, and makes it anew when this file has changed: so all that is compiled is here.

Elementary functions are polynomials rather than the C library's, which a loop would call number by number.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

PRODUCT, SUM, DOT, SOFTMAX, TAKE = range(5)
COPY, NEGATIVE, EXP, EXPM1, SQRT, TANH, SIGMOID = range(5, 12)
ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, GREATER, SIGMOID_BACKWARD = range(12, 19)
"""The kernels: those of matrices, and those that take numbers one by one, of one operand and of two."""

NUMBERS = {name.lower(): number for name, number in globals().items() if name.isupper()}
"""The kernels by the name that instructions give them."""

KERNEL, RUNS, ROWS, COLUMNS, INNER, ADDED, OUT, A, B, FACTOR, WIDTH = 0, 1, 2, 3, 4, 5, 6, 10, 15, 20, 23
"""Where the integers of an instruction begin: the kernel; the sizes; terms of a sum, rows to take from, or elementwise
instructions that go on together; whether it is added; the result, two operands and the factor; how many they are."""

SLOT, OFFSET, RUN, ROW, COLUMN = range(5)
"""Those of an operand: its slot, bytes from there, and strides in numbers.  A product's with a column stride of 0 lies
transposed.  The result has no column stride, the factor no stride but that of runs."""

BLOCK = 1024
"""Numbers that elementwise instructions in a row take together, while they are in the core's first cache."""

_ROW_MAJOR, _NO, _TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)


@intrinsic
def _pointer(context: Any, address: Any, like: Any) -> Any:
    """(address, like) -> pointer to numbers of the type of ``like``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(address, like), generate


@intrinsic
def _call(context: Any, function: Any, arguments: Any) -> Any:
    """(address, tuple) -> none: call a C function that returns nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        unpacked = cgutils.unpack_tuple(builder, values[1])
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in unpacked])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), unpacked)
        return context.get_dummy_value()

    return types.none(function, arguments), generate


@njit
def _row(address: int, length: int, like: Any) -> Any:
    """The numbers from an address on, as an array."""
    return carray(_pointer(address, like), length)


@intrinsic
def _to(context: Any, number: Any, like: Any) -> Any:
    """(number, like) -> the number in the type of ``like``: a literal is a double, and would make one of its loop."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], number, like)

    return like(number, like), generate


@intrinsic
def _two_to(context: Any, exponent: Any) -> Any:
    """(exponent, a whole real within the range of its type) -> 2 to it, by its bits."""
    integer, bias, mantissa = {32: (ir.IntType(32), 127, 23), 64: (ir.IntType(64), 1023, 52)}[exponent.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(builder.fptosi(arguments[0], integer), integer(bias))
        return builder.bitcast(builder.shl(biased, integer(mantissa)), context.get_value_type(signature.return_type))

    return exponent(exponent), generate


def _series(r: Any) -> Any:
    """``exp(r) - 1`` for ``|r| <= log(2) / 2`` by its Taylor series, to a rounding of the type of ``r``."""


@overload(_series)
def _series_of(r: Any) -> Any:
    if r == types.float32:

        def single(r: Any) -> Any:
            p = np.float32(1 / 5040)
            p = p * r + np.float32(1 / 720)
            p = p * r + np.float32(1 / 120)
            p = p * r + np.float32(1 / 24)
            p = p * r + np.float32(1 / 6)
            p = p * r + np.float32(0.5)
            return p * r * r + r

        return single

    def double(r: Any) -> Any:
        p = 1 / 6227020800
        p = p * r + 1 / 479001600
        p = p * r + 1 / 39916800
        p = p * r + 1 / 3628800
        p = p * r + 1 / 362880
        p = p * r + 1 / 40320
        p = p * r + 1 / 5040
        p = p * r + 1 / 720
        p = p * r + 1 / 120
        p = p * r + 1 / 24
        p = p * r + 1 / 6
        p = p * r + 0.5
        return p * r * r + r

    return double


def _bounds(x: Any) -> Any:
    """Within them the power of two in the exponential is a normal number of the type of ``x``: (lower, upper)."""


@overload(_bounds)
def _bounds_of(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            return np.float32(-87.3), np.float32(88.3)

        return single

    def double(x: Any) -> Any:
        return -708.3, 709.4

    return double


@njit(inline="always")
def _parts(x: Any) -> Any:
    """(p, s) with ``exp(x) = p s + s``, ``s`` a power of two and ``p`` small, for ``x`` within the bounds.

    The reduction of the argument in two steps is Cody and Waite's: the first part of log(2) has so few digits that its
    multiples are exact.
    """
    n = np.floor(x * _to(1.4426950408889634, x) + _to(0.5, x))
    r = x - n * _to(0.693359375, x)
    r = r + n * _to(2.1219444005469058277e-4, x)
    return _series(r), _two_to(n)


@njit(inline="always")
def _exp(x: Any) -> Any:
    """``exp(x)``; 0 where it is less than the normal numbers, infinite from two thirds of the largest on."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + s
    y = y if x >= lower else _to(0.0, x)
    y = y if x <= upper else _to(math.inf, x)
    return y if x == x else x  # a divergence has to be seen


@njit(inline="always")
def _expm1(x: Any) -> Any:
    """``exp(x) - 1``, to its last digits near 0."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + (s - _to(1.0, x))
    y = y if x <= upper else _to(math.inf, x)
    return y if x == x else x


@njit(inline="always")
def _tanh(x: Any) -> Any:
    """``e / (e + 2)`` with ``e = exp(2 |x|) - 1``, and the sign of ``x``; 1 from where it rounds to that."""
    e = _expm1(min(abs(x) * _to(2.0, x), _to(40.0, x)))
    y = e / (e + _to(2.0, x))
    y = y if x >= _to(0.0, x) else -y
    return y if x == x else x


@njit(inline="always")
def _sigmoid(x: Any) -> Any:
    one = _to(1.0, x)
    return one / (one + _exp(-x))


def _of_one(function: Callable[..., Any]) -> Any:
    """A kernel (length, x, y, in_place): ``y = function(x)``, number by number."""

    @njit(error_model="numpy")
    def kernel(length: int, x: Any, y: Any, in_place: bool) -> None:
        if in_place:  # a loop over two arrays is only compiled to vectors for those that share no memory
            for j in range(length):
                y[j] = function(y[j])
        else:
            for j in range(length):
                y[j] = function(x[j])

    return kernel


def _of_two(function: Callable[..., Any]) -> Any:
    """A kernel (length, x, z, y, in_place, x_column, z_column): ``y = function(x, z)``.

    ``in_place`` says that ``x`` is ``y``; a column stride of 0 repeats a number.
    """

    @njit(error_model="numpy")
    def kernel(length: int, x: Any, z: Any, y: Any, in_place: bool, x_column: int, z_column: int) -> None:
        if not z_column:
            number = z[0]
            if in_place:
                for j in range(length):
                    y[j] = function(y[j], number)
            else:
                for j in range(length):
                    y[j] = function(x[j], number)
        elif not x_column:
            number = x[0]
            for j in range(length):
                y[j] = function(number, z[j])
        elif in_place:
            for j in range(length):
                y[j] = function(y[j], z[j])
        else:
            for j in range(length):
                y[j] = function(x[j], z[j])

    return kernel


_inlined = njit(inline="always")
_copy = _of_one(_inlined(lambda x: x))
_negative = _of_one(_inlined(lambda x: -x))
_exps = _of_one(_exp)
_expm1s = _of_one(_expm1)
_sqrt = _of_one(_inlined(lambda x: math.sqrt(x)))
_tanhs = _of_one(_tanh)
_sigmoids = _of_one(_sigmoid)
_add = _of_two(_inlined(lambda x, z: x + z))
_subtract = _of_two(_inlined(lambda x, z: x - z))
_multiply = _of_two(_inlined(lambda x, z: x * z))
_divide = _of_two(_inlined(lambda x, z: x / z))
_maximum = _of_two(_inlined(lambda x, z: x if x > z or x != x else z))
_greater = _of_two(_inlined(lambda x, z: _to(1.0, x) if x > z else _to(0.0, x)))
_sigmoid_backward = _of_two(_inlined(lambda upstream, a: upstream * (a * (_to(1.0, a) - a))))


@njit
def _one_by_one(kernel: int, length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """A row of an elementwise instruction."""
    if kernel == COPY:
        _copy(length, x, y, in_place)
    elif kernel == NEGATIVE:
        _negative(length, x, y, in_place)
    elif kernel == EXP:
        _exps(length, x, y, in_place)
    elif kernel == EXPM1:
        _expm1s(length, x, y, in_place)
    elif kernel == SQRT:
        _sqrt(length, x, y, in_place)
    elif kernel == TANH:
        _tanhs(length, x, y, in_place)
    elif kernel == SIGMOID:
        _sigmoids(length, x, y, in_place)
    elif kernel == ADD:
        _add(length, x, z, y, in_place, x_column, z_column)
    elif kernel == SUBTRACT:
        _subtract(length, x, z, y, in_place, x_column, z_column)
    elif kernel == MULTIPLY:
        _multiply(length, x, z, y, in_place, x_column, z_column)
    elif kernel == DIVIDE:
        _divide(length, x, z, y, in_place, x_column, z_column)
    elif kernel == MAXIMUM:
        _maximum(length, x, z, y, in_place, x_column, z_column)
    elif kernel == GREATER:
        _greater(length, x, z, y, in_place, x_column, z_column)
    else:
        _sigmoid_backward(length, x, z, y, in_place, x_column, z_column)


@njit(error_model="numpy")
def _softmax(length: int, x: Any, y: Any) -> None:
    """The probabilities of a row of logits: the largest is subtracted first."""
    largest = x[0]
    for j in range(1, length):
        largest = x[j] if x[j] > largest else largest
    total = _to(0.0, largest)
    for j in range(length):
        y[j] = _exp(x[j] - largest)
        total += y[j]
    for j in range(length):
        y[j] /= total


@njit
def _add_row(length: int, factor: Any, x: Any, y: Any) -> None:
    for j in range(length):
        y[j] += factor * x[j]


@njit(fastmath={"reassoc"})  # in any order, as BLAS does: many sums side by side
def _dot(length: int, x: Any, z: Any) -> Any:
    total = _to(0.0, x[0])
    for j in range(length):
        total += x[j] * z[j]
    return total


@njit
def _add_multiple(length: int, factor: Any, number: Any, x: Any, y: Any) -> None:
    """As BLAS does, multiply by the factor last: with a large one the other order may overflow."""
    for j in range(length):
        y[j] += factor * (number * x[j])


@njit
def _place(line: Any, at: int, step: int, run: int, addresses: Any, strides: Any, size: int) -> Any:
    """The address of the result, of an operand or of the factor: where its slot begins in this step, and its matrix."""
    slot = line[at + SLOT]
    return addresses[slot] + step * strides[slot] + line[at + OFFSET] + run * line[at + RUN] * size


@njit
def _product(
    line: Any, step: int, run: int, addresses: Any, strides: Any, gemm: int, integer: Any, size: int, like: Any
) -> None:
    """A product by BLAS, where a column stride of 0 says that a matrix lies transposed; that of two vectors by rows."""
    rows, columns, inner = line[ROWS], line[COLUMNS], line[INNER]
    out = _place(line, OUT, step, run, addresses, strides, size)
    a = _place(line, A, step, run, addresses, strides, size)
    b = _place(line, B, step, run, addresses, strides, size)
    factor = _row(_place(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
    if inner == 1:
        x, z = _row(a, rows, like), _row(b, columns, like)
        for i in range(rows):
            y = _row(out + i * columns * size, columns, like)
            if line[ADDED]:
                _add_multiple(columns, factor, x[i], z, y)
            else:
                _multiply(columns, z, _row(a + i * size, 1, like), y, False, 1, 0)
        return
    _call(
        gemm,
        (
            _ROW_MAJOR,
            _NO if line[A + COLUMN] else _TRANSPOSED,
            _NO if line[B + COLUMN] else _TRANSPOSED,
            _to(rows, integer),
            _to(columns, integer),
            _to(inner, integer),
            factor,
            a,
            _to(line[A + ROW], integer),
            b,
            _to(line[B + ROW], integer),
            _to(line[ADDED], like),
            out,
            _to(columns, integer),
        ),
    )


@njit(error_model="numpy")
def _rows(line: Any, step: int, run: int, addresses: Any, strides: Any, size: int, like: Any) -> bool:
    """An instruction that goes through a matrix row by row; false where one is to be taken that is not there."""
    kernel, rows, columns = line[KERNEL], line[ROWS], line[COLUMNS]
    out = _place(line, OUT, step, run, addresses, strides, size)
    a = _place(line, A, step, run, addresses, strides, size)
    b = _place(line, B, step, run, addresses, strides, size)
    if kernel == SUM:
        factor = _row(_place(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
        y = _row(out, columns, like)
        if not line[ADDED]:
            y[:] = 0
        for i in range(rows):
            _add_row(columns, factor, _row(a + i * line[A + ROW] * size, columns, like), y)
    elif kernel == DOT:
        _row(out, 1, like)[0] = _dot(columns, _row(a, columns, like), _row(b, columns, like))
    elif kernel == SOFTMAX:
        for i in range(rows):
            _softmax(
                columns,
                _row(a + i * line[A + ROW] * size, columns, like),
                _row(out + i * line[OUT + ROW] * size, columns, like),
            )
    else:
        numbers = carray(_pointer(b, rows), rows)
        for i in range(rows):
            if not 0 <= numbers[i] < line[INNER]:
                return False
            x = _row(a + numbers[i] * line[A + ROW] * size, columns, like)
            _copy(columns, x, _row(out + i * line[OUT + ROW] * size, columns, like), False)
    return True


@njit
def _elements(
    line: Any, step: int, run: int, first: int, length: int, addresses: Any, strides: Any, size: int, like: Any
) -> None:
    """An elementwise instruction, or of each row the numbers from the first on."""
    out = _place(line, OUT, step, run, addresses, strides, size) + first * size
    a = _place(line, A, step, run, addresses, strides, size) + first * line[A + COLUMN] * size
    b = _place(line, B, step, run, addresses, strides, size) + first * line[B + COLUMN] * size
    for i in range(line[ROWS]):
        x = _row(a + i * line[A + ROW] * size, length, like)
        z = _row(b + i * line[B + ROW] * size, length, like)
        y = _row(out + i * line[OUT + ROW] * size, length, like)
        _one_by_one(line[KERNEL], length, x, line[A + COLUMN], z, line[B + COLUMN], y, a == out)


def execute(code: Any, addresses: Any, strides: Any, steps: int, gemm: int, integer: Any, size: int, like: Any) -> bool:
    """Carry a program out, step by step.

    Parameters
    ----------
    code : (instructions, WIDTH) of int64
    addresses, strides : (slots,) of int64
        Where the arguments, the outputs, the memory and the pool begin, and by how many bytes each goes on in a step.
    steps : int
    gemm : int
        The address of BLAS's product of row-major matrices.
    integer, like : numbers
        Of the types of its sizes and of its matrices.
    size : int
        Bytes of a number.

    Returns
    -------
    done : bool
        False, in the middle of a step, where a row was to be taken that is not there.
    """
    for step in range(steps):
        index = 0
        while index < len(code):
            line, together = code[index], 1
            if line[KERNEL] >= COPY:
                together, length = max(line[INNER], 1), line[COLUMNS]
                if together > 1:
                    length = BLOCK
                for first in range(0, line[COLUMNS], length):
                    count = min(length, line[COLUMNS] - first)
                    for member in range(index, index + together):
                        for run in range(line[RUNS]):
                            _elements(code[member], step, run, first, count, addresses, strides, size, like)
            else:
                for run in range(line[RUNS]):
                    if line[KERNEL] == PRODUCT:
                        _product(line, step, run, addresses, strides, gemm, integer, size, like)
                    elif not _rows(line, step, run, addresses, strides, size, like):
                        return False
            index += together
    return True


@functools.cache
def compiled(integer: type, real: type) -> Any:
    """`execute`, compiled for sizes and numbers of these types of NumPy's."""
    nothing: tuple[Any, ...] = np.empty((0, WIDTH), np.int64), *np.empty((2, 0), np.int64)
    arguments = (*nothing, 0, 0, integer(0), 0, real(0))
    kept, alone = _ways(f"execute_{real.__name__}")
    with contextlib.suppress(Exception):  # there is no place to keep it, or what was kept there is damaged
        found = kept()
        found(*arguments)
        return found
    found = alone()
    found(*arguments)
    return found


def _ways(name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """To compile `execute`: kept on disk, or in this process alone.

    It has a name for each type: Numba numbers the files of one function, and two processes that begin to keep it for
    different types at once would give both the same number.
    """
    function = FunctionType(execute.__code__, execute.__globals__, name)
    function.__qualname__, function.__module__ = name, execute.__module__
    options = {"nogil": True, "error_model": "numpy"}
    return lambda: njit(cache=True, **options)(function), lambda: njit(**options)(function)
