"""Embeddings of numbers: some functions of each, and a dense layer of its own for each feature, stacked as runs are.

Arrays are ``(runs * features, batch, n)`` here, so that the operations for stacked runs serve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import SentBack, Tree, numbers_of, sum_over_batch
from xpmlp.nn.ops import Ops


class Functions(NamedTuple):
    """The functions of a number whose values the dense layer of its feature takes, each of a linear argument.

    Attributes
    ----------
    argument : (ops, parameters, x) -> argument
        Of numbers (runs * features, batch, 1) the linear functions, (runs * features, batch, functions): by
        `Ops.affine`, whose result is row-major, which that of a product of features that lie side by side is not.
    slope : (ops, parameters) -> slope
        The derivative of the argument by the number, (runs * features, 1, functions).
    value : (ops, parameters, argument) -> value
    backward : (ops, delta, argument, value) -> delta
        From the derivative by the value to that by the argument.
    gradients : (ops, parameters, x, delta) -> gradients by name, optional
        Sums over the batch, of parameters beside the dense layer's; ``None`` if all the others are "state".
    """

    argument: Callable[[Ops, Any, Array], Array]
    slope: Callable[[Ops, Any], Array]
    value: Callable[[Ops, Any, Array], Array]
    backward: Callable[[Ops, Array, Array, Array], Array]
    gradients: Callable[[Ops, Any, Array, Array], Mapping[str, Array]] | None = None


class EmbeddingFactors(NamedTuple):
    """The parameters, and arrays (runs * features, batch, n) of which the gradients are made.

    Attributes
    ----------
    x, value : n of 1, n of the functions
        The numbers, and what the dense layers take.
    delta, argument_delta : n of the embedding's width, n of the functions
        The derivatives by the output and, where anybody needs it, by the functions' arguments.
    """

    parameters: Any
    x: Array
    value: Array
    delta: Array
    argument_delta: Array | None


def embedding_of(functions: Functions) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The passes and the gradients of a layer whose parameters have ``weights`` and ``biases`` of the dense layers.

    Returns
    -------
    forward, backward, gradients
        As `xpmlp.nn.layer.Layer` has them.
    """

    def forward(ops: Ops, parameters: Any, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array, Array]]:
        x = numbers_of(x)
        numbers = features_first(ops, x, 1)
        argument = functions.argument(ops, parameters, numbers)
        value = functions.value(ops, parameters, argument)
        y = affine(ops, value, parameters.weights, parameters.biases)
        return features_last(ops, y, x.shape[:-2]), (numbers, argument, value)

    def backward(ops: Ops, parameters: Any, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
        (x, argument, value), weights, back, inner = residuals, parameters.weights, None, None
        delta = features_first(ops, upstream, weights.shape[-1])
        if wanted or functions.gradients:
            by_value = ops.multiply_transposed(delta, stacked(ops, weights, value.shape[-1]))
            inner = functions.backward(ops, by_value, argument, value)
        if wanted:
            slope = ops.xp.sum(inner * functions.slope(ops, parameters), axis=-1, keepdims=True)
            back = features_last(ops, slope, upstream.shape[:-2])
        return back, EmbeddingFactors(parameters, x, value, delta, inner)

    def gradients(ops: Ops, factors: EmbeddingFactors, divisor: Any) -> Tree:
        parameters, x, value, delta, inner = factors
        sums = {
            "weights": ops.xp.reshape(ops.product_of_factors(value, delta), parameters.weights.shape),
            "biases": ops.xp.reshape(sum_over_batch(ops, delta), parameters.biases.shape),
        }
        if functions.gradients:
            sums |= functions.gradients(ops, parameters, x, inner)
        return parameters._replace(**{name: total / divisor for name, total in sums.items()})

    return forward, backward, gradients


def features_first(ops: Ops, x: Array, width: int) -> Array:
    """([runs,] batch, features * width) -> (runs * features, batch, width)."""
    xp, (*lead, batch, n) = ops.xp, x.shape
    by_feature = xp.moveaxis(xp.reshape(x, (*lead, batch, n // width, width)), -3, -2)
    return xp.reshape(by_feature, (-1, batch, width))


def features_last(ops: Ops, y: Array, lead: tuple[int, ...]) -> Array:
    """(runs * features, batch, width) -> (*lead, batch, features * width), with ``lead`` the runs, if there are any."""
    xp, (_, batch, width) = ops.xp, y.shape
    by_example = xp.moveaxis(xp.reshape(y, (*lead, -1, batch, width)), -3, -2)
    return xp.reshape(by_example, (*lead, batch, -1))


def stacked(ops: Ops, parameter: Array, rows: int) -> Array:
    """([runs,] features * rows, width) -> (runs * features, rows, width)."""
    return ops.xp.reshape(parameter, (-1, rows, parameter.shape[-1]))


def affine(ops: Ops, x: Array, weights: Array, biases: Array) -> Array:
    """``x @ weights + biases`` of each feature, (runs * features, batch, width).

    Parameters
    ----------
    x : (runs * features, batch, rows)
    weights : ([runs,] features * rows, width)
    biases : ([runs,] features, width)
    """
    return ops.affine(x, stacked(ops, weights, x.shape[-1]), stacked(ops, biases, 1))
