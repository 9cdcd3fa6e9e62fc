"""The record of a loss, and the weighting of examples in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

Metric = Literal["accuracy", "r2"]

Columns = Sequence[tuple[str, Any]]
"""Name and values (n,), on the host, of each column of targets; empty for classes."""


def as_stored(ops: Ops, targets: Array, classes: Array, dtype: object) -> Array:
    """Convert targets that need no encoding to ``dtype``: ([runs,] batch, n_targets)."""
    return ops.xp.astype(targets, dtype, copy=False)


def as_they_are(ops: Ops, logits: Array) -> Array:
    """Return logits that are values, unchanged."""
    return logits


def logarithm(ops: Ops, prediction: Array) -> Array:
    """Compute logarithms of numbers of at least 0, raised to at least the smallest normal number."""
    return ops.xp.log(ops.xp.maximum(prediction, float(ops.xp.finfo(prediction.dtype).smallest_normal)))


def explained(ops: Ops, decided: Array, targets: Array, inverse_variance: Array) -> Array:
    """Compute each example's part in R²: the mean over outputs of ``1 - (target - value)**2 / variance``.

    Its mean over the part is ``1 - (mean squared error) / variance``, averaged over the outputs.  An output whose
    targets are constant counts as 0.
    """
    xp = ops.xp
    known = xp.astype(inverse_variance > 0, inverse_variance.dtype)
    return xp.mean(known - (targets - decided) ** 2 * inverse_variance, axis=-1)


class Loss(NamedTuple):
    """A loss with everything that belongs to it; the defaults suit a loss of values.

    Attributes
    ----------
    name : str
    value : (ops, logits, encoded) -> loss
        Per example, (..., batch).
    delta : (ops, logits, encoded) -> delta
        Its derivative with respect to the logits, ([runs,] batch, n_out): a fresh array, finite for finite logits
        wherever the loss itself is.  A training step needs it at once; the values are computed for many steps together.
    title : str
        Axis label in figures.
    sentence : str
        Its purpose, for the documentation.
    targets : "classes", "flags" or "values"
        Form of stored targets: class indices, ([runs,] batch); or numbers ([runs,] batch, n_targets), of 0 and 1 for
        flags.
    encode : (ops, targets, classes, dtype) -> encoded
        Stored targets in the form that the loss takes, ([runs,] batch, n_out or n_targets): class indices as one-hot
        rows.
    transform : (ops, logits) -> prediction
        The network's prediction, ([runs,] batch, n_out): probabilities or values.
    link : (ops, prediction) -> logits, optional
        The inverse of ``transform``, used to compute the loss of a mean of predictions; not needed where logits are
        values.
    decide : (ops, logits) -> decided
        The prediction in the terms of stored targets, of their shape: a class index, yes or no, a value.
    score : (ops, decided, targets, inverse_variance) -> score
        A figure for each example, (..., batch), in the dtype of ``inverse_variance``, whose mean over a part is the
        part's ``metric``.  ``inverse_variance`` is 1 over the variance of each column of values, 0 where they are
        constant; a metric that needs no variance takes its dtype alone.
    metric : "accuracy" or "r2"
        The part of the examples that are right in every output; R², its mean over the outputs.
    out_activation : str
        scikit-learn's name of the transform.
    scikit_learn : str, optional
        The loss's name in `sklearn.neural_network.MLPRegressor`.
    n_outputs : (n_targets, n_classes) -> int
        The width of the network's output; ``n_targets`` is 0 for classes, ``n_classes`` for values.
    output_names : (target_names) -> list of str
        The names of the outputs, if the targets have names.
    refusal : (columns, n_classes) -> str or None
        The reason that it is not for these targets, as a continuation of "is for".
    settings : tuple of (str, value)
        Its parameters, by their keys in a config's ``[model]``.
    make : (**settings) -> Loss, optional
        The same loss with other parameters; equal ones give one object.
    evaluated_as : Loss, optional
        The loss that evaluation reports, if it differs from that of training.
    """

    name: str
    value: Callable[[Ops, Array, Array], Array]
    delta: Callable[[Ops, Array, Array], Array]
    title: str
    sentence: str
    targets: Literal["classes", "flags", "values"] = "values"
    encode: Callable[[Ops, Array, Array, object], Array] = as_stored
    transform: Callable[[Ops, Array], Array] = as_they_are
    link: Callable[[Ops, Array], Array] | None = None
    decide: Callable[[Ops, Array], Array] = as_they_are
    score: Callable[[Ops, Array, Array, Array], Array] = explained
    metric: Metric = "r2"
    out_activation: str = "identity"
    scikit_learn: str | None = None
    n_outputs: Callable[[int, int], int] = lambda n_targets, n_classes: n_targets
    output_names: Callable[[Sequence[str]], list[str]] = list
    refusal: Callable[[Columns, int], str | None] = lambda columns, n_classes: None
    settings: tuple[tuple[str, Any], ...] = ()
    make: Callable[..., Loss] | None = None
    evaluated_as: Loss | None = None

    @property
    def of_classes(self) -> bool:
        """Whether stored targets are class indices, rather than numbers for each output."""
        return self.targets == "classes"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy a loss by its name and its parameters."""
        return _found_again, (self.name, self.settings)

    def decide_prediction(self, ops: Ops, prediction: Array) -> Array:
        """Decide as ``decide`` does, from the result of ``transform``, such as the mean of several predictions."""
        if self.targets == "classes":
            return self.decide(ops, prediction)
        if self.targets == "flags":
            return ops.xp.astype(prediction > 0.5, prediction.dtype)
        return self.decide(ops, prediction) if self.out_activation == "identity" else prediction

    def value_of_prediction(self, ops: Ops, prediction: Array, encoded: Array) -> Array | None:
        """Compute ``value`` from the result of ``transform``; ``None`` if that has no inverse."""
        if self.transform is as_they_are:
            return self.value(ops, prediction, encoded)
        return None if self.link is None else self.value(ops, self.link(ops, prediction), encoded)

    def with_settings(self, settings: Mapping[str, Any]) -> Loss:
        """Return the same loss with other parameters; lists are converted to tuples.

        Raises
        ------
        ValueError
            If there is no such parameter, or a value is not allowed.
        """
        if unknown := settings.keys() - dict(self.settings).keys():
            raise ValueError(f"the loss {self.name} has no parameter {min(unknown)!r}")
        given = dict(self.settings)
        changed = given | {key: tuple(one) if isinstance(one, list) else one for key, one in settings.items()}
        if self.make is None or (changed == given and not any(one is True or one is False for one in changed.values())):
            return self
        try:
            return self.make(**changed)
        except TypeError as error:  # an unhashable value
            raise ValueError(f"the loss {self.name} has no such parameters: {error}") from error


def _found_again(name: str, settings: tuple[tuple[str, Any], ...]) -> Loss:
    from xpmlp.nn.losses import losses

    return losses[name].with_settings(dict(settings))


def prediction_minus_target(predict: Callable[[Ops, Array], Array]) -> Callable[[Ops, Array, Array], Array]:
    """Build the derivative of a loss with its natural link; ``predict``, its transform, returns a fresh array."""

    def delta(ops: Ops, logits: Array, encoded: Array) -> Array:
        difference = predict(ops, logits)
        difference -= encoded
        return difference

    return delta


def weighted(loss: Array, delta: Array, sample_weights: Array | None) -> tuple[Array, Array]:
    """Multiply ``loss`` ([runs,] batch) and ``delta`` ([runs,] batch, n_out) by the examples' weights, if given.

    Examples
    --------
    >>> import numpy as np
    >>> loss, delta = weighted(np.asarray([1.0, 2.0]), np.asarray([[0.5], [0.5]]), np.asarray([1.0, 3.0]))
    >>> loss.tolist(), delta.tolist()
    ([1.0, 6.0], [[0.5], [1.5]])
    """
    if sample_weights is None:
        return loss, delta
    return loss * sample_weights, delta * sample_weights[..., None]


def check_number(name: str, value: Any, bounds: str, within: Callable[[Any], bool]) -> None:
    """Check that a parameter is a number within its bounds.

    Raises
    ------
    ValueError
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not within(value):
        raise ValueError(f"{name} is {value!r}, and has to be a number {bounds}")
