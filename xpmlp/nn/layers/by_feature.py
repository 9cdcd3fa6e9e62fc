"""Embeddings of numbers: some functions of each, and a separate dense layer for each feature, stacked as runs are.

Arrays are ``(runs * features, n, batch)`` here: stacked, so that the operations for stacked runs apply, and with the
batch last, since ``n`` is so small that loops over it would cost more than their contents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import SentBack, Tree, numbers_of
from xpmlp.nn.ops import Ops


class Functions(NamedTuple):
    """Functions of a number, each of a linear argument, whose values are the input of its feature's dense layer.

    Attributes
    ----------
    argument : (ops, parameters, x) -> argument
        The linear functions, (runs * features, functions, batch), of numbers (runs * features, 1, batch).
    slope : (ops, parameters) -> slope
        The derivative of the argument with respect to the number, (runs * features, functions, 1).
    value : (ops, parameters, argument) -> value
    backward : (ops, delta, argument, value) -> delta
        From the derivative with respect to the value to that with respect to the argument.
    gradients : (ops, parameters, x, delta) -> gradients by name, optional
        Sums over the batch, for parameters besides the dense layer's; ``None`` if all the others are "state".
    """

    argument: Callable[[Ops, Any, Array], Array]
    slope: Callable[[Ops, Any], Array]
    value: Callable[[Ops, Any, Array], Array]
    backward: Callable[[Ops, Array, Array, Array], Array]
    gradients: Callable[[Ops, Any, Array, Array], Mapping[str, Array]] | None = None


class EmbeddingFactors(NamedTuple):
    """Parameters, and arrays (runs * features, n, batch) from which the gradients are computed.

    Attributes
    ----------
    x, value : n of 1, n of the functions
        The numbers, and the inputs of the dense layers.
    delta, argument_delta : n of the embedding's width, n of the functions
        The derivatives with respect to the output and, if needed, to the functions' arguments.
    """

    parameters: Any
    x: Array
    value: Array
    delta: Array
    argument_delta: Array | None


def embedding_of(functions: Functions) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Build the passes and gradients of a layer whose parameters include the dense layers' ``weights`` and ``biases``.

    Returns
    -------
    forward, backward, gradients
        As in `xpmlp.nn.layer.Layer`.
    """

    def forward(ops: Ops, parameters: Any, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array, Array]]:
        x = numbers_of(x)
        numbers = by_feature(ops, x, 1)
        argument = functions.argument(ops, parameters, numbers)
        value = functions.value(ops, parameters, argument)
        weights, biases = columns(ops, parameters.weights, value.shape[-2]), columns(ops, parameters.biases)
        y = ops.product_of_factors(weights, value)
        y += biases
        return by_example(ops, y, x.shape[:-2]), (numbers, argument, value)

    def backward(ops: Ops, parameters: Any, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
        (x, argument, value), back, inner = residuals, None, None
        delta = by_feature(ops, upstream, parameters.weights.shape[-1])
        if wanted or functions.gradients:
            weights = columns(ops, parameters.weights, value.shape[-2])
            by_value = ops.multiply_transposed(weights, ops.xp.matrix_transpose(delta))
            inner = functions.backward(ops, by_value, argument, value)
        if wanted:
            slope = ops.xp.sum(inner * functions.slope(ops, parameters), axis=-2, keepdims=True)
            back = by_example(ops, slope, upstream.shape[:-2])
        return back, EmbeddingFactors(parameters, x, value, delta, inner)

    def gradients(ops: Ops, factors: EmbeddingFactors, divisor: Any) -> Tree:
        parameters, x, value, delta, inner = factors
        sums = {"weights": ops.multiply_transposed(value, delta), "biases": over_batch(ops, delta)}
        if functions.gradients:
            sums |= functions.gradients(ops, parameters, x, inner)
        totals = {name: ops.xp.reshape(total, getattr(parameters, name).shape) for name, total in sums.items()}
        return parameters._replace(**{name: total / divisor for name, total in totals.items()})

    return forward, backward, gradients


def by_feature(ops: Ops, x: Array, width: int) -> Array:
    """([runs,] batch, features * width) -> (runs * features, width, batch)."""
    return ops.xp.reshape(ops.xp.matrix_transpose(x), (-1, width, x.shape[-2]))


def by_example(ops: Ops, y: Array, lead: tuple[int, ...]) -> Array:
    """(runs * features, width, batch) -> (*lead, batch, features * width), with ``lead`` the runs, if there are any."""
    return ops.xp.matrix_transpose(ops.xp.reshape(y, (*lead, -1, y.shape[-1])))


def columns(ops: Ops, parameter: Array, rows: int | None = None) -> Array:
    """([runs,] features * rows, width) -> (runs * features, rows, width); without rows, width below each other."""
    width = parameter.shape[-1]
    return ops.xp.reshape(parameter, (-1, width, 1) if rows is None else (-1, rows, width))


def over_batch(ops: Ops, array: Array) -> Array:
    """(runs * features, n, batch) -> (runs * features, n, 1)."""
    return ops.xp.sum(array, axis=-1, keepdims=True)
