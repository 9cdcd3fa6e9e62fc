"""Softmax with cross-entropy: one of several classes."""

from __future__ import annotations

import functools

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss, check_number, logarithm, prediction_minus_target, weighted
from xpmlp.nn.ops import Ops


def one_hot(ops: Ops, labels: Array, classes: Array, dtype: object) -> Array:
    """Encode labels as rows with a one at each label's index.

    Parameters
    ----------
    labels : ([runs,] batch)
        Class indices.
    classes : (n_out,)
        ``0 .. n_out - 1`` on the same device; an argument because a step must create no arrays of its own.
    dtype : dtype of the result

    Returns
    -------
    targets : ([runs,] batch, n_out)

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> one_hot(pure_ops(xp), xp.asarray([2, 0]), xp.arange(3), xp.float32).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    return ops.xp.astype(labels[..., None] == classes, dtype)


def softmax(ops: Ops, logits: Array) -> Array:
    """Probabilities of the classes: ``exp(o_i) / sum_j exp(o_j)``, ([runs,] batch, n_out), stable for any logits.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> softmax(pure_ops(xp), xp.asarray([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    return ops.softmax(logits)


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """``-sum_j t_j log(y_j)``, from the logits: no logarithm is taken of a probability that has become 0."""
    return -ops.xp.vecdot(targets, ops.log_softmax(logits))


def _most_probable_class(ops: Ops, logits: Array) -> Array:
    return ops.xp.argmax(logits, axis=-1)


def _right(ops: Ops, decided: Array, targets: Array, inverse_variance: Array) -> Array:
    return ops.xp.astype(decided == targets, inverse_variance.dtype)


@functools.lru_cache(maxsize=None, typed=True)  # or False would be found for 0
def smoothed(label_smoothing: float = 0.0) -> Loss:
    """Cross-entropy with a part of the target spread evenly over all classes, in training only.

    With ``k`` classes the target becomes ``(1 - label_smoothing) t + label_smoothing / k``: Szegedy et al., Rethinking
    the Inception architecture, CVPR 2016, section 7.  Evaluation reports the loss without it.

    Raises
    ------
    ValueError
        If ``label_smoothing`` is not from 0 to 1, 1 excluded.
    """
    check_number("label_smoothing", label_smoothing, "from 0 to 1, 1 excluded", lambda value: 0 <= value < 1)
    if not label_smoothing:
        return CROSS_ENTROPY

    def encode(ops: Ops, labels: Array, classes: Array, dtype: object) -> Array:
        targets = one_hot(ops, labels, classes, dtype)
        targets *= 1 - label_smoothing
        targets += label_smoothing / classes.shape[0]
        return targets

    settings = (("label_smoothing", label_smoothing),)
    return CROSS_ENTROPY._replace(encode=encode, settings=settings, evaluated_as=CROSS_ENTROPY)


_delta = prediction_minus_target(softmax)

CROSS_ENTROPY = Loss(
    name="cross_entropy",
    targets="classes",
    encode=one_hot,
    value=_value,
    delta=_delta,
    transform=softmax,
    link=logarithm,
    decide=_most_probable_class,
    score=_right,
    metric="accuracy",
    title="cross-entropy (nats)",
    sentence="softmax with cross-entropy, for one of several classes",
    out_activation="softmax",
    refusal=lambda columns, n_classes: None if n_classes else "classes, and the targets are values",
    n_outputs=lambda n_targets, n_classes: n_classes,
    settings=(("label_smoothing", 0.0),),
    make=smoothed,
)


def cross_entropy(ops: Ops, logits: Array, targets: Array, sample_weights: Array | None = None) -> tuple[Array, Array]:
    """Compute softmax cross-entropy and its derivative with respect to the logits, optionally with example weights.

    With ``y = softmax(o)``: ``loss = -sum_j t_j log(y_j)`` and ``delta_j = y_j - t_j``.

    Parameters
    ----------
    logits : ([runs,] batch, n_out)
    targets : ([runs,] batch, n_out)
        Probabilities that sum to one for each example: one-hot for a class.
    sample_weights : ([runs,] batch), optional
        Multiply each example's loss and delta.  Divide by their sum, not by the batch size, when a mean is formed.

    Returns
    -------
    loss : ([runs,] batch)
        In nats, per example.
    delta : ([runs,] batch, n_out)
        Per example, not divided by the batch size.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), sections 4.3.4 and 5.2; derived in docs/gradients.md.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> loss, delta = cross_entropy(pure_ops(xp), xp.asarray([[0.0, 0.0]]), xp.asarray([[1.0, 0.0]]))
    >>> loss.round(4).tolist(), delta.tolist()
    ([0.6931], [[-0.5, 0.5]])
    """
    return weighted(_value(ops, logits, targets), _delta(ops, logits, targets), sample_weights)
