"""Elementwise kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from xpmlp.backend.compiled.elementary import FAR, exp, expm1, log_from, sigmoid, tanh, wave
from xpmlp.backend.compiled.intrinsics import to
from xpmlp.backend.compiled.layout import NUMBERS


def _of_one(function: Callable[..., Any]) -> Any:
    """Make a kernel ``y = function(x)``, element by element.

    All kernels are called as (length, x, x_column, z, z_column, y, in_place): ``in_place`` means that ``x`` is ``y``;
    in kernels of two operands, a column stride of 0 repeats a number.
    """

    @njit(error_model="numpy")
    def kernel(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
        if in_place:  # a loop over two arrays is vectorized only if they share no memory
            for j in range(length):
                y[j] = function(y[j])
        else:
            for j in range(length):
                y[j] = function(x[j])

    return kernel


def _of_two(function: Callable[..., Any]) -> Any:
    """Make a kernel ``y = function(x, z)``."""

    @njit(error_model="numpy")
    def kernel(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
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


def _over_copy(function: Callable[..., None], *arguments: float) -> Any:
    """Make a kernel, one of the rarer ones, that runs ``function(length, y, *arguments)`` on a copy of its operand."""
    (argument,) = arguments or (0.0,)

    @njit
    def kernel(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
        if not in_place:
            copy(length, x, x_column, z, z_column, y, False)
        function(length, y, to(argument, y[0]))

    return kernel


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
def _signs(length: int, y: Any, _: Any) -> None:
    """``y <- sign(y)``: -1, 0, 1 or NaN."""
    for j in range(length):
        y[j] = to(1.0, y[j]) if y[j] > 0 else (to(-1.0, y[j]) if y[j] < 0 else y[j])


@njit
def _sizes(length: int, y: Any, _: Any) -> None:
    """``y <- abs(y)``."""
    for j in range(length):
        y[j] = abs(y[j])


@njit
def _spread(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """``y = x``, for repeated or non-contiguous numbers."""
    for j in range(length):
        y[j] = x[j * x_column]


@njit
def _equal(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """``y = 1`` where ``x`` equals ``z``, else 0; one of them may be repeated."""
    if not x_column:
        x, z, z_column = z, x, 0
    if z_column:
        for j in range(length):
            y[j] = to(x[j] == z[j], x[0])
    else:
        for j in range(length):
            y[j] = to(x[j] == z[0], x[0])


@njit
def _select(length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """``y = z`` where ``x`` is not 0."""
    if not x_column:
        if x[0] != 0:
            _spread(length, z, z_column, z, z_column, y, False)
    elif z_column:
        for j in range(length):
            y[j] = z[j] if x[j] != 0 else y[j]
    else:
        for j in range(length):
            y[j] = z[0] if x[j] != 0 else y[j]


_inlined = njit(inline="always")
copy = _of_one(_inlined(lambda x: x))
exponentials = _of_one(exp)
multiply = _of_two(_inlined(lambda x, z: x * z))
_KERNELS = {
    "copy": copy,
    "negative": _of_one(_inlined(lambda x: -x)),
    "exp": exponentials,
    "expm1": _of_one(expm1),
    "sqrt": _of_one(_inlined(lambda x: math.sqrt(x))),
    "tanh": _of_one(tanh),
    "sigmoid": _of_one(sigmoid),
    "add": _of_two(_inlined(lambda x, z: x + z)),
    "subtract": _of_two(_inlined(lambda x, z: x - z)),
    "multiply": multiply,
    "divide": _of_two(_inlined(lambda x, z: x / z)),
    "maximum": _of_two(_inlined(lambda x, z: x if x > z or x != x else z)),
    "greater": _of_two(_inlined(lambda x, z: to(1.0, x) if x > z else to(0.0, x))),
    "sigmoid_backward": _of_two(_inlined(lambda upstream, a: upstream * (a * (to(1.0, a) - a)))),
    "spread": _spread,
    "equal": _equal,
    "select": _select,
    "log": _over_copy(_logarithms, 0.0),
    "log1p": _over_copy(_logarithms, 1.0),
    "sin": _over_copy(_waves, 0.0),
    "cos": _over_copy(_waves, 1.0),
    "sign": _over_copy(_signs),
}


def _chosen(number: int, kernel: Any, otherwise: Any) -> Any:
    """Make a function that calls ``kernel`` for this number and ``otherwise`` for any other.

    A chain of comparisons, since Numba has no tables of functions; it compiles each call in the chain into its loop.
    """

    @njit(inline="always")
    def choose(chosen: int, length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
        if chosen == number:
            kernel(length, x, x_column, z, z_column, y, in_place)
        else:
            otherwise(chosen, length, x, x_column, z, z_column, y, in_place)

    return choose


_absolute = _over_copy(_sizes)


@njit(inline="always")
def one_by_one(chosen: int, length: int, x: Any, x_column: int, z: Any, z_column: int, y: Any, in_place: bool) -> None:
    """Compute a row of an elementwise instruction: ``y = function(x)`` or ``function(x, z)``, (length,) each."""
    _absolute(length, x, x_column, z, z_column, y, in_place)


for _name in reversed(_KERNELS):
    one_by_one = _chosen(NUMBERS[_name], _KERNELS[_name], one_by_one)
