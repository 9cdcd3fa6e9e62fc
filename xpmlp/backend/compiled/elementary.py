"""Exponential, logarithm, tanh, sigmoid, sine and cosine as polynomials, evaluated for many numbers at once.

The C library's functions would be called number by number, which takes ten times as long.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from xpmlp.backend.compiled.intrinsics import exponent_of, mantissa_of, to, two_to


def _series(r: Any) -> Any:
    """Compute ``exp(r) - 1`` for ``|r| <= log(2) / 2`` by its Taylor series, to a rounding of the type of ``r``."""


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
    """Return (lower, upper): within them the exponential's power of two is a normal number of the type of ``x``."""


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
    """Return (p, s) with ``exp(x) = p s + s``, ``s`` a power of two and ``p`` small, for ``x`` within the bounds.

    The reduction of the argument in two steps is Cody and Waite's: the first part of log(2) has so few digits that its
    multiples are exact.
    """
    n = np.floor(x * to(1.4426950408889634, x) + to(0.5, x))
    r = x - n * to(0.693359375, x)
    r = r + n * to(2.1219444005469058277e-4, x)
    return _series(r), two_to(n)


@njit(inline="always")
def exp(x: Any) -> Any:
    """Compute ``exp(x)``; 0 below the normal numbers, infinite from two thirds of the largest number on."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + s
    y = y if x >= lower else to(0.0, x)
    y = y if x <= upper else to(math.inf, x)
    return y if x == x else x  # NaN is kept, so that a divergence shows


@njit(inline="always")
def expm1(x: Any) -> Any:
    """Compute ``exp(x) - 1``, accurate to the last digits near 0."""
    lower, upper = _bounds(x)
    within = min(max(x, lower), upper)
    p, s = _parts(within)
    y = p * s + (s - to(1.0, x))
    y = y if x <= upper else to(math.inf, x)
    return y if x == x else x


@njit(inline="always")
def tanh(x: Any) -> Any:
    """Compute tanh as ``e / (e + 2)`` with ``e = exp(2 |x|) - 1`` and the sign of ``x``; 1 where it rounds to that."""
    e = expm1(min(abs(x) * to(2.0, x), to(40.0, x)))
    y = e / (e + to(2.0, x))
    y = y if x >= to(0.0, x) else -y
    return y if x == x else x


@njit(inline="always")
def sigmoid(x: Any) -> Any:
    """Compute ``1 / (1 + exp(-x))``, accurate to the last digits of small values, too."""
    one = to(1.0, x)
    return one / (one + exp(-x))


@njit(inline="always")
def log_from(x: Any, begin: Any) -> Any:
    """Compute ``log(begin + x)`` with ``begin`` 0 or 1, accurate to the last digits near 0 and 1, too.

    The result is ``k log(2) + log(1 + f)``, with ``begin + x = 2^k (1 + f)`` by its bits, in float64 for float32, too.
    The second logarithm is the series of ``2 artanh(f / (2 + f))``, minimax as in FreeBSD's `e_log.c`.  The rounding
    error of ``begin + x`` is corrected by the first derivative.
    """
    given, start = to(x, 0.0), to(begin, 0.0)
    u = start + given
    lost = (given - (u - start)) / u
    is_small = u < 2.2250738585072014e-308
    normal = u * 18014398509481984.0 if is_small else u
    k, f = exponent_of(normal) - (54.0 if is_small else 0.0), mantissa_of(normal) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
    p = 0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860510658591)
    even = z * (0.6666666666666735130 + w * p)
    half = 0.5 * f * f
    y = s * (half + odd + even) + (k * 1.90821492927058770002e-10 + lost) - half + f + k * 6.93147180369123816490e-1
    y = y if u > 0.0 else (-math.inf if u == 0.0 else math.nan)
    return to(y if u < math.inf else u, x)


FAR = 1e6
"""Largest argument of the polynomials for sine and cosine; beyond it the C library is used, with more digits of pi."""


def _sine_and_cosine(r: Any) -> Any:
    """Compute (sin(r), cos(r)) for ``|r| <= pi / 4``, to a rounding of the type of ``r``."""


@overload(_sine_and_cosine)
def _sine_and_cosine_of(r: Any) -> Any:
    if r == types.float32:

        def single(r: Any) -> Any:
            z = r * r
            p = np.float32(8.3321608736e-3) + z * np.float32(-1.9515295891e-4)
            sine = r + r * z * (np.float32(-1.6666654611e-1) + z * p)
            p = np.float32(-1.388731625493765e-3) + z * np.float32(2.443315711809948e-5)
            cosine = (np.float32(1) - np.float32(0.5) * z) + z * z * (np.float32(4.166664568298827e-2) + z * p)
            return sine, cosine

        return single

    def double(r: Any) -> Any:
        z = r * r
        p = 2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)
        p = 8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 + z * p)
        sine = r + r * z * (-1.66666666666666324348e-1 + z * p)
        p = 2.08757232129817482790e-9 + z * -1.13596475577881948265e-11
        p = -1.38888888888741095749e-3 + z * (2.48015872894767294178e-5 + z * (-2.75573143513906633035e-7 + z * p))
        half = 0.5 * z
        w = 1.0 - half
        return sine, w + (((1.0 - w) - half) + z * z * (4.16666666666666019037e-2 + z * p))

    return double


@njit(inline="always")
def wave(x: Any, quarters: Any) -> Any:
    """Compute ``sin(x + quarters pi / 2)`` for integer ``quarters`` and ``|x| <= FAR``.

    The argument is reduced in float64, in three steps as by Cody and Waite: the multiples of the first two parts of
    pi / 2, of 33 bits each, are exact.  The polynomials are, for float32, those of Cephes (`sinf.c`), and for float64
    those of FreeBSD (`k_sin.c` and `k_cos.c`).
    """
    given = to(x, 0.0)
    n = np.floor(given * 0.63661977236758134308 + 0.5)
    r = given - n * 1.57079632673412561417
    r = r - n * 6.07710050630396597660e-11
    sine, cosine = _sine_and_cosine(to(r - n * 2.02226624879595063154e-21, x))
    turned = n + to(quarters, 0.0)
    turned = turned - 4.0 * np.floor(0.25 * turned)
    y = sine if turned - 2.0 * np.floor(0.5 * turned) < 0.5 else cosine
    return -y if turned > 1.5 else y
