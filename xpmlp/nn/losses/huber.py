"""Huber's loss: squared for small errors, absolute for large ones."""

from __future__ import annotations

import functools
import math

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss, check_number
from xpmlp.nn.ops import Ops


@functools.lru_cache(maxsize=None, typed=True)  # or True would be found for 1
def huber(huber_delta: float = 1.0) -> Loss:
    """``e**2 / 2`` for an error ``e`` up to ``huber_delta``, ``huber_delta (|e| - huber_delta / 2)`` beyond.

    Huber, Robust estimation of a location parameter, 1964.  Summed over the outputs.

    Raises
    ------
    ValueError
        If ``huber_delta`` is not a finite number greater than 0.
    """
    check_number("huber_delta", huber_delta, "greater than 0", lambda value: 0 < value < math.inf)
    if isinstance(huber_delta, int):
        return huber(huber_delta=float(huber_delta))

    def value(ops: Ops, logits: Array, targets: Array) -> Array:
        error = ops.xp.abs(logits - targets)
        bounded = ops.xp.minimum(error, huber_delta)
        return ops.xp.sum(bounded * (error - 0.5 * bounded), axis=-1)

    def delta(ops: Ops, logits: Array, targets: Array) -> Array:
        return ops.xp.maximum(ops.xp.minimum(logits - targets, huber_delta), -huber_delta)

    return Loss(
        name="huber",
        value=value,
        delta=delta,
        title="Huber's loss",
        sentence="quadratic for errors up to `huber_delta`, linear beyond, for values with outliers",
        settings=(("huber_delta", huber_delta),),
        make=huber,
    )
