"""Half the squared error: values."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss, as_stored, explained
from xpmlp.nn.ops import Ops


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """``sum_j (o_j - t_j)**2 / 2``: the sum over the outputs, whose derivative is ``o - t``.

    scikit-learn's `MLPRegressor` descends along the same derivative, but reports the *mean* over the outputs: divide
    by their number to compare.

    Parameters
    ----------
    logits, targets : ([runs,] batch, n_out)

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), section 5.2; derived in docs/gradients.md.
    """
    error = logits - targets
    return 0.5 * ops.xp.sum(error * error, axis=-1)


def _delta(ops: Ops, logits: Array, targets: Array) -> Array:
    return logits - targets


def _values(ops: Ops, logits: Array) -> Array:
    return logits


SQUARED = Loss(as_stored, _value, _delta, _values, _values, explained, False, "r2", "half the squared error")
