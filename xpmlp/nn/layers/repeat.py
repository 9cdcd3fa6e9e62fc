"""A batch repeated for the members of a batch ensemble, which share a network: ``(runs, members * batch, n)``.

Layers after `repeat` see a larger batch, the first ``batch`` rows of which are the first member's; `adapters` make the
members differ.  The loss of an example is the mean over its rows, for which a training loop repeats its targets and
weights by `repeat_rows` and divides by the number of all rows; its prediction is the mean of the members' predictions,
`mean_of_members`.
"""

from __future__ import annotations

from typing import Any

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Tree, numbers_of, width_of
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops


def repeat(members: Count) -> LayerMaker:
    """Repeat the batch, once for each member of a batch ensemble.

    References
    ----------
    Gorishniy, Kotelnikov and Babenko, TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling,
    ICLR 2025.
    """

    def forward(ops: Ops, parameters: Tree, x: Any, noise: Any) -> tuple[Array, None]:
        return repeat_rows(ops, numbers_of(x), members), None

    def backward(ops: Ops, parameters: Tree, residuals: None, upstream: Array, wanted: bool) -> SentBack:
        return _over_members(ops, ops.xp.sum, upstream, members) if wanted else None, ()

    return lambda widths: Layer.of(
        "repeat", {"members": members}, width_of(widths), (), forward, backward, repeats=members
    )


def repeat_rows(ops: Ops, x: Array, members: int) -> Array:
    """(..., batch, n) -> (..., members * batch, n): all rows for the first member, then all for the second."""
    *lead, batch, n = x.shape
    repeated = ops.xp.broadcast_to(ops.xp.expand_dims(x, axis=-3), (*lead, members, batch, n))
    return ops.xp.reshape(repeated, (*lead, members * batch, n))


def mean_of_members(ops: Ops, y: Array, members: int) -> Array:
    """(..., members * batch, n) -> (..., batch, n): the mean of the rows that `repeat_rows` makes of one."""
    return y if members == 1 else _over_members(ops, ops.xp.mean, y, members)


def _over_members(ops: Ops, reduction: Any, y: Array, members: int) -> Array:
    *lead, rows, n = y.shape
    by_member = ops.xp.reshape(y, (*lead, members, rows // members * n))
    return ops.xp.reshape(reduction(by_member, axis=-2), (*lead, rows // members, n))
