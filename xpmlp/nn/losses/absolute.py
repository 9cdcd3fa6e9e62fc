"""The absolute error: for values, whose median is learnt."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss
from xpmlp.nn.ops import Ops


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """``sum_j |o_j - t_j|``."""
    return ops.xp.sum(ops.xp.abs(logits - targets), axis=-1)


def _delta(ops: Ops, logits: Array, targets: Array) -> Array:
    """The sign of ``o - t``, 0 where they are equal."""
    xp = ops.xp
    return xp.astype(logits > targets, logits.dtype) - xp.astype(targets > logits, logits.dtype)


ABSOLUTE = Loss(
    name="absolute",
    value=_value,
    delta=_delta,
    title="absolute error",
    sentence="the absolute error, for values with outliers",
)
