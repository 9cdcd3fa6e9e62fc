"""The kernels that take numbers one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from xpmlp.backend.compiled.elementary import FAR, exp, expm1, log_from, sigmoid, tanh, wave
from xpmlp.backend.compiled.intrinsics import to
from xpmlp.backend.compiled.layout import (
    ABSOLUTE,
    ADD,
    COPY,
    COS,
    DIVIDE,
    EQUAL,
    EXP,
    EXPM1,
    GREATER,
    LOG,
    LOG1P,
    MAXIMUM,
    MULTIPLY,
    NEGATIVE,
    SELECT,
    SIGMOID,
    SIGMOID_BACKWARD,
    SIGN,
    SIN,
    SPREAD,
    SQRT,
    SUBTRACT,
    TANH,
)


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
copy = _of_one(_inlined(lambda x: x))
_negative = _of_one(_inlined(lambda x: -x))
exponentials = _of_one(exp)
_expm1s = _of_one(expm1)
_sqrt = _of_one(_inlined(lambda x: math.sqrt(x)))
_tanhs = _of_one(tanh)
_sigmoids = _of_one(sigmoid)
_add = _of_two(_inlined(lambda x, z: x + z))
_subtract = _of_two(_inlined(lambda x, z: x - z))
multiply = _of_two(_inlined(lambda x, z: x * z))
_divide = _of_two(_inlined(lambda x, z: x / z))
_maximum = _of_two(_inlined(lambda x, z: x if x > z or x != x else z))
_greater = _of_two(_inlined(lambda x, z: to(1.0, x) if x > z else to(0.0, x)))
_sigmoid_backward = _of_two(_inlined(lambda upstream, a: upstream * (a * (to(1.0, a) - a))))


@njit(error_model="numpy")
def _logarithms(length: int, y: Any, begin: Any) -> None:
    """``y <- log(begin + y)``."""
    for j in range(length):
        y[j] = log_from(y[j], begin)


@njit
def _waves(length: int, y: Any, quarters: Any) -> None:
    """``y <- sin(y)``, or ``cos(y)`` for 1 in place of 0 ``quarters``."""
    is_far = False
    for j in range(length):
        is_far |= abs(y[j]) > FAR
    if is_far:
        for j in range(length):
            if abs(y[j]) > FAR:
                y[j] = math.atan2(math.sin(y[j]), math.cos(y[j]))
    for j in range(length):
        y[j] = wave(y[j], quarters)


@njit
def _spread(length: int, x: Any, x_column: int, y: Any) -> None:
    """``y = x``, of numbers that are repeated or lie apart."""
    for j in range(length):
        y[j] = x[j * x_column]


@njit
def _equal(length: int, x: Any, z: Any, y: Any, x_column: int, z_column: int) -> None:
    """``y = 1`` where ``x`` is ``z``, else 0; one of them may be repeated."""
    if not x_column:
        x, z, z_column = z, x, 0
    if z_column:
        for j in range(length):
            y[j] = to(x[j] == z[j], x[0])
    else:
        for j in range(length):
            y[j] = to(x[j] == z[0], x[0])


@njit
def _select(length: int, x: Any, z: Any, y: Any, x_column: int, z_column: int) -> None:
    """``y = z`` where ``x`` is not 0."""
    if not x_column:
        if x[0] != 0:
            _spread(length, z, z_column, y)
    elif z_column:
        for j in range(length):
            y[j] = z[j] if x[j] != 0 else y[j]
    else:
        for j in range(length):
            y[j] = z[0] if x[j] != 0 else y[j]


@njit
def _signs(length: int, y: Any) -> None:
    """``y <- -1``, 0, 1 or NaN."""
    for j in range(length):
        y[j] = to(1.0, y[j]) if y[j] > 0 else (to(-1.0, y[j]) if y[j] < 0 else y[j])


@njit(inline="always")
def _rarer(kernel: int, length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any) -> None:
    """The kernels that are compiled in one way only: those of one operand take it from ``y``."""
    if kernel == SPREAD:
        _spread(length, x, x_column, y)
    elif kernel == EQUAL:
        _equal(length, x, z, y, x_column, z_column)
    elif kernel == SELECT:
        _select(length, x, z, y, x_column, z_column)
    elif kernel in (LOG, LOG1P):
        _logarithms(length, y, to(kernel == LOG1P, y[0]))
    elif kernel in (SIN, COS):
        _waves(length, y, to(kernel == COS, y[0]))
    elif kernel == SIGN:
        _signs(length, y)
    else:
        for j in range(length):
            y[j] = abs(y[j])


@njit(inline="always")
def one_by_one(kernel: int, length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """A row of an elementwise instruction: ``y = function(x)`` or ``function(x, z)``, (length,) each.

    A chain of comparisons, since Numba knows no table of functions, and compiles each call that it sees into its loop.
    """
    if kernel == COPY:
        copy(length, x, y, in_place)
    elif kernel == NEGATIVE:
        _negative(length, x, y, in_place)
    elif kernel == EXP:
        exponentials(length, x, y, in_place)
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
        multiply(length, x, z, y, in_place, x_column, z_column)
    elif kernel == DIVIDE:
        _divide(length, x, z, y, in_place, x_column, z_column)
    elif kernel == MAXIMUM:
        _maximum(length, x, z, y, in_place, x_column, z_column)
    elif kernel == GREATER:
        _greater(length, x, z, y, in_place, x_column, z_column)
    elif kernel == SIGMOID_BACKWARD:
        _sigmoid_backward(length, x, z, y, in_place, x_column, z_column)
    else:
        if ABSOLUTE <= kernel < EQUAL and not in_place:
            copy(length, x, y, False)
        _rarer(kernel, length, x, x_column, z, z_column, y)
