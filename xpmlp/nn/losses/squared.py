"""Half the squared error: values."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss
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


SQUARED = Loss(
    name="squared",
    value=_value,
    delta=_delta,
    title="half the squared error",
    sentence="half the squared error, for values",
    scikit_learn="squared_error",
)
