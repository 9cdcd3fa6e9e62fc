"""Half the Poisson deviance with the logarithm as link: counts, and other values of at least 0."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Columns, Loss, logarithm, prediction_minus_target
from xpmlp.nn.ops import Ops


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """With ``y = exp(o)``: ``sum_j (t_j log(t_j / y_j) - t_j + y_j)``, which is 0 where prediction equals target.

    ``t log(t / y)`` is computed as ``t (log t - o)``, and as 0 for ``t = 0``, so that no quotient is formed.

    Parameters
    ----------
    logits : ([runs,] batch, n_out)
        The logarithm of the expected value.  Where its exponential overflows, the loss and its derivative are
        infinite, as they should be, and not NaN.
    targets : ([runs,] batch, n_out)
        At least 0.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models (1989), section 2.3; derived in docs/gradients.md.
    """
    xp = ops.xp
    some = targets > 0
    logarithm = xp.log(xp.where(some, targets, xp.ones_like(targets)))
    return xp.sum(targets * (logarithm - logits) + (xp.exp(logits) - targets), axis=-1)


def _expected(ops: Ops, logits: Array) -> Array:
    return ops.xp.exp(logits)


def _refusal(columns: Columns, n_classes: int) -> str | None:
    for name, values in columns:
        if values.min() < 0:
            return f'values of at least 0, and {name!r} has {values.min():g}: use "squared"'
    return None


POISSON = Loss(
    name="poisson",
    value=_value,
    delta=prediction_minus_target(_expected),
    transform=_expected,
    link=logarithm,
    decide=_expected,
    title="half the Poisson deviance",
    sentence="half the Poisson deviance, with an exponential output, for counts",
    out_activation="exp",
    scikit_learn="poisson",
    refusal=_refusal,
)
