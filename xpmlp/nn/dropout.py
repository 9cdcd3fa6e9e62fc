"""Dropout by a counter hash: which units are dropped is a function of (seed, step, layer, example, unit).

The array API standard has no random numbers, and a generator's state would have to be saved, restored and split
between runs.  A hash has none: every backend, device and dtype drops the same units, a run drops the same whether it
trains alone or in a stack, and a training that is resumed in the middle of an epoch goes on with the masks that it
would have had.

The hash is of 32-bit integers, by multiplications that wrap around as two's complement does in every array library,
on ``int32``, the one integer type that all devices have.  Its mixing function is "lowbias32" of Chris Wellons, with
a bias near the least that two multiplications allow (https://nullprogram.com/blog/2018/07/31/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - 2**32
_GOLDEN = 0x9E3779B9 - 2**32  # odd: multiples of it are different for all numbers below 2**32

WHOLE = 2**15
"""All of a dropout rate, in the parts that a schedule leaves of it."""


class Mask(NamedTuple):
    """What dropout leaves of a layer's output.

    Attributes
    ----------
    factors : ([runs,] batch, width)
        0 where a unit is dropped, ``1 / keep`` elsewhere, so that the expected output stays the same.
    keep : float or ([runs,] 1, 1)
        The probability that a unit is kept.
    """

    factors: Array
    keep: Any


class Counters(NamedTuple):
    """What the masks are a function of: int32 arrays, arguments because a step must create no arrays of its own.

    Attributes
    ----------
    seeds : ([runs,] 1)
        Of each run; see `as_int32`.
    examples : (batch,)
        ``0 .. batch - 1``, the places in a batch.
    units : tuple of (width,)
        ``0 .. width - 1`` for each hidden layer.
    """

    seeds: Array
    examples: Array
    units: tuple[Array, ...]


def dropout_masks(
    ops: Ops, rates: Sequence[float], counters: Counters, step: Array, dtype: object, parts: Array | None = None
) -> list[Mask | None]:
    """The masks of a training step, one for each hidden layer.

    Parameters
    ----------
    rates : sequence of float
        The part of each hidden layer's units that is dropped, in [0, 1); no mask is made for 0.
    counters : Counters
    step : ([1,] 1), int32
        The number of the step since the training's beginning, with as many axes as ``counters.seeds``; of many steps,
        (steps, [1,] 1), whose masks are then stacked along their first axis.
    dtype : dtype of the factors
    parts : ([runs,] 1), int32, optional
        The part of ``rates`` that is dropped in this step, of `WHOLE`; of many steps (steps, [runs,] 1).  Integers, so
        that every backend and dtype drops the same units; the rates are rounded to multiples of 2**-16 then.

    Returns
    -------
    masks : list of Mask or None

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, JMLR 15, 2014; Salmon, Moraes, Dror and Shaw,
    Parallel random numbers: as easy as 1, 2, 3, SC 2011, for generators without state.
    """
    xp = ops.xp
    steps = _mixed(_mixed(counters.seeds) ^ step)
    masks: list[Mask | None] = []
    for layer, (rate, units) in enumerate(zip(rates, counters.units, strict=True)):
        if rate == 0.0:
            masks.append(None)
            continue
        examples = _mixed(_mixed(steps + layer) ^ counters.examples)
        numbers = _mixed(examples[..., None] + units * _GOLDEN)
        least, keep = min(round(rate * 2**32) - 2**31, 2**31 - 1), 1.0 - rate  # uniform on all of int32
        if parts is not None:
            dropped = min(round(rate * 2**16), 2**16 - 1) * parts[..., None]  # of 2**31
            least, keep = 2 * (dropped - 2**30), 1.0 - xp.astype(dropped, dtype) / 2.0**31
        masks.append(Mask(xp.astype(numbers >= least, dtype) * (1.0 / keep), keep))
    return masks


def as_int32(number: int) -> int:
    """A number of any size as a signed 32-bit one, by its last 32 bits."""
    return (number + 2**31) % 2**32 - 2**31


def _mixed(number: Array) -> Array:
    """A one-to-one map of the 32-bit integers, after which each bit depends on all bits."""
    number = number ^ _shifted(number, 16)
    number *= _FIRST
    number ^= _shifted(number, 15)
    number *= _SECOND
    number ^= _shifted(number, 16)
    return number


def _shifted(number: Array, places: int) -> Array:
    """A logical shift to the right: the sign bit is a bit like the others."""
    return (number >> places) & ((1 << (32 - places)) - 1)
