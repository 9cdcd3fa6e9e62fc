"""What a loss is, and how the weights of examples enter it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

Metric = Literal["accuracy", "r2"]


class Loss(NamedTuple):
    """A loss with everything that belongs to it.

    Attributes
    ----------
    encode : (ops, targets, classes, dtype) -> encoded
        Stored targets as the loss wants them, ([runs,] batch, n_out): class indices ([runs,] batch) as one-hot rows.
    value : (ops, logits, encoded) -> loss
        Per example, (..., batch).
    delta : (ops, logits, encoded) -> delta
        Its derivative by the logits, ([runs,] batch, n_out): a fresh array, finite for finite logits wherever the loss
        itself is.  A training step needs it at once; the values are formed for many steps together.
    transform : (ops, logits) -> prediction
        What the network predicts, ([runs,] batch, n_out): probabilities or values.
    decide : (ops, logits) -> decided
        The prediction in the terms of stored targets, of their shape: a class index, yes or no, a value.
    score : (ops, decided, targets, precision) -> score
        A figure for each example, (..., batch), in the dtype of ``precision``, whose mean over a part is the part's
        ``metric``.  ``precision`` (n_out,) is 1 over the variance of the part's targets, 0 where they are constant;
        a metric that needs no variance takes its dtype alone.
    of_classes : bool
        Whether stored targets are class indices, ([runs,] batch), rather than numbers for each output.
    metric : "accuracy" or "r2"
        The part of the examples that are right in every output; R², its mean over the outputs.
    title : str
        What the axis of a figure says.
    """

    encode: Callable[[Ops, Array, Array, object], Array]
    value: Callable[[Ops, Array, Array], Array]
    delta: Callable[[Ops, Array, Array], Array]
    transform: Callable[[Ops, Array], Array]
    decide: Callable[[Ops, Array], Array]
    score: Callable[[Ops, Array, Array, Array], Array]
    of_classes: bool
    metric: Metric
    title: str


def as_stored(ops: Ops, targets: Array, classes: Array, dtype: object) -> Array:
    """Targets that are stored as the loss wants them: ([runs,] batch, n_out) in ``dtype``."""
    return ops.xp.astype(targets, dtype, copy=False)


def prediction_minus_target(predict: Callable[[Ops, Array], Array]) -> Callable[[Ops, Array, Array], Array]:
    """The derivative that all losses of the table have; ``predict`` is their transform, which gives a fresh array."""

    def delta(ops: Ops, logits: Array, encoded: Array) -> Array:
        difference = predict(ops, logits)
        difference -= encoded
        return difference

    return delta


def explained(ops: Ops, decided: Array, targets: Array, precision: Array) -> Array:
    """Each example's part in R²: the mean over outputs of ``1 - (target - value)**2 / variance``.

    Its mean over the part is ``1 - (mean squared error) / variance``, averaged over the outputs.  An output whose
    targets are constant counts as 0.
    """
    xp = ops.xp
    known = xp.astype(precision > 0, precision.dtype)
    return xp.mean(known - (targets - decided) ** 2 * precision, axis=-1)


def weighted(loss: Array, delta: Array, sample_weights: Array | None) -> tuple[Array, Array]:
    """``loss`` ([runs,] batch) and ``delta`` ([runs,] batch, n_out) times the examples' weights, if there are any."""
    if sample_weights is None:
        return loss, delta
    return loss * sample_weights, delta * sample_weights[..., None]
