"""Dropout by a counter hash: which units are dropped is a function of (seed, step, layer, example, unit).

The array API standard has no random numbers, and a generator's state would have to be saved, restored and split between
runs.  A hash has no state: every backend, device and dtype drops the same units, a run drops the same units whether it
trains alone or in a stack, and a training resumed in the middle of an epoch continues with the same masks.

The hash is of 32-bit integers, by multiplications that wrap around, as two's complement does in every array library, on
``int32``, the one integer type that all devices have.
"""

from __future__ import annotations

from array_api_compat import device

from xpmlp._typing import Array
from xpmlp.nn.hashing import mixed
from xpmlp.nn.layer import Draw
from xpmlp.nn.ops import Ops

_GOLDEN = 0x9E3779B9 - 2**32  # odd: multiples of it are different for all numbers below 2**32

WHOLE = 2**15
"""A full dropout rate, in the units in which a schedule gives its parts."""


def mask_factors(ops: Ops, rate: float, draw: Draw, stream: int, width: int) -> Array:
    """Compute dropout's factors on a layer's output: 0 for a dropped unit, ``1 / (1 - rate)`` for the others.

    Parameters
    ----------
    rate : float
        The part to drop, in (0, 1).  With parts of it in ``draw``, which are integers so that every backend and dtype
        drops the same units, it is rounded to a multiple of 2**-16.
    draw : Draw
    stream : int
        A different one for each layer, so that their masks are independent.
    width : int

    Returns
    -------
    factors : (steps, runs, batch, width)

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, JMLR 15, 2014; Salmon, Moraes, Dror and Shaw,
    Parallel random numbers: as easy as 1, 2, 3, SC 2011, for generators without state.
    """
    xp, where = ops.xp, device(draw.seeds)
    places, units = (xp.arange(size, dtype=xp.int32, device=where) for size in (draw.batch, width))
    steps = mixed(mixed(draw.seeds) ^ draw.steps)
    examples = mixed(mixed(steps + stream) ^ places)
    least, keep = min(round(rate * 2**32) - 2**31, 2**31 - 1), 1.0 - rate  # uniform on all of int32
    if draw.parts is not None:
        dropped = min(round(rate * 2**16), 2**16 - 1) * draw.parts[..., None]  # of 2**31
        least, keep = 2 * (dropped - 2**30), 1.0 - xp.astype(dropped, draw.dtype) / 2.0**31
    return ops.mask(examples, units * _GOLDEN, least, 1.0 / keep, draw.dtype)


def as_int32(number: int) -> int:
    """Convert an integer of any size to a signed 32-bit one, by its last 32 bits.

    Examples
    --------
    >>> as_int32(7), as_int32(2**32 - 1)
    (7, -1)
    """
    return (number + 2**31) % 2**32 - 2**31
