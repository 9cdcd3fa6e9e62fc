"""A hash of 32-bit integers: "lowbias32" of Chris Wellons, with a bias near the least that two multiplications allow.

https://nullprogram.com/blog/2018/07/31/
"""

from __future__ import annotations

from xpmlp._typing import Array

FIRST, SECOND = 0x7FEB352D, 0x846CA68B - 2**32


def mixed(number: Array) -> Array:
    """Map the 32-bit integers one-to-one, so that each bit of the result depends on all bits."""
    number = number ^ _shifted(number, 16)
    number *= FIRST
    number ^= _shifted(number, 15)
    number *= SECOND
    number ^= _shifted(number, 16)
    return number


def _shifted(number: Array, places: int) -> Array:
    """Shift to the right logically: the sign bit is a bit like the others."""
    shifted = number >> places
    shifted &= (1 << (32 - places)) - 1
    return shifted
