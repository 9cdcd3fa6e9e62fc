"""Exponential, tanh and sigmoid as polynomials, which a loop can do for many numbers at once.

The C library's would be called number by number, which takes ten times as long.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from xpmlp.backend.compiled.intrinsics import to, two_to


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
    n = np.floor(x * to(1.4426950408889634, x) + to(0.5, x))
    r = x - n * to(0.693359375, x)
    r = r + n * to(2.1219444005469058277e-4, x)
    return _series(r), two_to(n)


@njit(inline="always")
def exp(x: Any) -> Any:
    """``exp(x)``; 0 where it is less than the normal numbers, infinite from two thirds of the largest on."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + s
    y = y if x >= lower else to(0.0, x)
    y = y if x <= upper else to(math.inf, x)
    return y if x == x else x  # a divergence has to be seen


@njit(inline="always")
def expm1(x: Any) -> Any:
    """``exp(x) - 1``, to its last digits near 0."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + (s - to(1.0, x))
    y = y if x <= upper else to(math.inf, x)
    return y if x == x else x


@njit(inline="always")
def tanh(x: Any) -> Any:
    """``e / (e + 2)`` with ``e = exp(2 |x|) - 1``, and the sign of ``x``; 1 from where it rounds to that."""
    e = expm1(min(abs(x) * to(2.0, x), to(40.0, x)))
    y = e / (e + to(2.0, x))
    y = y if x >= to(0.0, x) else -y
    return y if x == x else x


@njit(inline="always")
def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, to the last digits of small values, too."""
    one = to(1.0, x)
    return one / (one + exp(-x))
