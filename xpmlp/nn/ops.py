"""The few operations that dominate a training step, which a backend may replace by faster versions.

Each has one pure definition in the array API here.  They are passed together, as `Ops`, to the forward pass, the
backward pass and the optimisers; a backend may replace entries by equivalents from a well-maintained library
(`xpmlp.backend`), and every replacement is tested against its definition here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from array_api_compat import device

from xpmlp._typing import Array, Namespace
from xpmlp.nn.hashing import mixed


class Ops(NamedTuple):
    """The replaceable operations on one array library.

    Attributes
    ----------
    xp : namespace
        The array library, following the array API standard.
    gather : (features, rows, dtype, scale) -> scale * features[rows], in ``dtype``
        ``features`` (n, n_in) of any type, ``rows`` (m,) within them; a fresh array (m, n_in), or a placeholder that
        becomes one in the step that takes it: only its shape may be read or changed before.
    affine : (x, weights, biases) -> x @ weights + biases
        ``x`` ([runs,] batch, n_in), ``weights`` ([runs,] n_in, n_out), ``biases`` ([runs,] 1, n_out).
    sigmoid : (x) -> 1 / (1 + exp(-x))
        May overwrite ``x``.
    sigmoid_backward : (upstream, activation) -> upstream * activation * (1 - activation)
        With ``activation`` the sigmoid; may overwrite ``upstream``.
    softmax : (logits) -> probabilities ([runs,] batch, n_out)
        A fresh array.
    log_softmax : (logits) -> logarithms of the probabilities, (..., n_out)
        A fresh array.
    multiply_transposed : (delta, weights) -> delta @ weights.T
        The derivative that a layer propagates to the layer before; a fresh array.
    product_of_factors : (activation, delta) -> activation.T @ delta
        The gradient of a layer's weights, ([runs,] n_in, n_out); a fresh array.
    add_product : (weights, activation, delta, scale) -> weights + scale * activation.T @ delta
    add_sum : (biases, delta, scale) -> biases + scale * sum of delta over the batch
        ``scale`` ([runs,] 1, 1) or (), in the same dtype.  These two overwrite their first argument if arrays are
        mutable; only their results may be used afterwards.
    sum_over_batch : (array) -> its sum over the batch, ([runs,] 1, n)
    add_rows : (table, codes, rows) -> table-shaped zeros with ``rows[i]`` added at ``codes[i]``
        ``table`` ([runs,] n, width), ``codes`` ([runs,] m), int32 and within it, ``rows`` ([runs,] m, width); a fresh
        array, with the same bits in every call.
    mask : (rows, columns, least, factor, dtype) -> ``factor`` where ``mixed(rows + columns) >= least``, else 0
        ``rows`` (..., batch) and ``columns`` (width,) int32, ``least`` and ``factor`` numbers or (..., 1, 1): a fresh
        array (..., batch, width) in ``dtype``; see `xpmlp.nn.dropout`.
    constant : (number) -> number
        A Python number in the form that the library's operators take fastest: itself, or an array ().
    """

    xp: Namespace
    gather: Callable[[Array, Array, object, float], Array]
    affine: Callable[[Array, Array, Array], Array]
    sigmoid: Callable[[Array], Array]
    sigmoid_backward: Callable[[Array, Array], Array]
    softmax: Callable[[Array], Array]
    log_softmax: Callable[[Array], Array]
    multiply_transposed: Callable[[Array, Array], Array]
    product_of_factors: Callable[[Array, Array], Array]
    add_product: Callable[[Array, Array, Array, Array], Array]
    add_sum: Callable[[Array, Array, Array], Array]
    sum_over_batch: Callable[[Array], Array]
    add_rows: Callable[[Array, Array, Array], Array]
    mask: Callable[[Array, Array, Any, Any, object], Array]
    constant: Callable[[float], Any]


def pure_ops(xp: Namespace) -> Ops:
    """Return the definitions below on the array library ``xp``, for example ``array_api_compat.numpy``.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> ops = pure_ops(xp)
    >>> ops.affine(xp.ones((2, 3)), xp.ones((3, 1)), xp.ones((1, 1))).tolist()
    [[4.0], [4.0]]
    """
    return Ops(xp, *(partial(definition, xp) for definition in _DEFINITIONS))


def gather(xp: Namespace, features: Array, rows: Array, dtype: object, scale: float) -> Array:
    """Gather rows of the data, converted and scaled: (m, n_in), fresh."""
    x = xp.astype(xp.take(features, rows, axis=0), dtype, copy=False)
    if scale != 1.0:
        x *= scale
    return x


def affine(xp: Namespace, x: Array, weights: Array, biases: Array) -> Array:
    """``x @ weights + biases``, a fresh array ([runs,] batch, n_out)."""
    logits = x @ weights
    logits += biases
    return logits


def sigmoid(xp: Namespace, x: Array) -> Array:
    """``1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2``, which cannot overflow and needs one function and no branch.

    Its absolute error is a rounding of one; values near 0 lack full *relative* precision, so a loss must not take their
    logarithm.
    """
    result = xp.tanh(0.5 * x)
    result *= 0.5
    result += 0.5
    return result


def sigmoid_backward(xp: Namespace, upstream: Array, activation: Array) -> Array:
    """``upstream`` times the sigmoid's derivative, in terms of its value: ``a (1 - a)``."""
    slope = 1 - activation
    slope *= activation
    upstream *= slope
    return upstream


def softmax(xp: Namespace, logits: Array) -> Array:
    """Probabilities of the classes, ``exp(o_i) / sum_j exp(o_j)``: ([runs,] batch, n_out), a fresh array.

    The largest logit is subtracted first, so that no exponential overflows and their sum is at least 1.
    """
    probabilities = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    probabilities /= xp.sum(probabilities, axis=-1, keepdims=True)
    return probabilities


def log_softmax(xp: Namespace, logits: Array) -> Array:
    """``o_i - log(sum_j exp(o_j))``: (..., n_out), a fresh array.

    The largest logit is subtracted from all first: no exponential overflows, and the logarithm is of at least 1.
    """
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    shifted -= xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
    return shifted


def multiply_transposed(xp: Namespace, delta: Array, weights: Array) -> Array:
    """``delta @ weights.T``: ([runs,] batch, n_in)."""
    return delta @ xp.matrix_transpose(weights)


def product_of_factors(xp: Namespace, activation: Array, delta: Array) -> Array:
    """``activation.T @ delta``: ([runs,] n_in, n_out)."""
    return xp.matrix_transpose(activation) @ delta


def add_product(xp: Namespace, weights: Array, activation: Array, delta: Array, scale: Array) -> Array:
    """``weights + scale * activation.T @ delta``, in place if arrays are mutable: ([runs,] n_in, n_out)."""
    weights += scale * (xp.matrix_transpose(activation) @ delta)
    return weights


def add_sum(xp: Namespace, biases: Array, delta: Array, scale: Array) -> Array:
    """``biases + scale * sum of delta over the batch``, in place if arrays are mutable: ([runs,] 1, n_out)."""
    biases += scale * sum_over_batch(xp, delta)
    return biases


def sum_over_batch(xp: Namespace, array: Array) -> Array:
    """([runs,] batch, n) -> ([runs,] 1, n)."""
    return xp.sum(array, axis=-2, keepdims=True)


def add_rows(xp: Namespace, table: Array, codes: Array, rows: Array) -> Array:
    """Sum the rows of each code, ([runs,] n, width): a product with the one-hot batch, ``one_hot.T @ rows``."""
    return xp.matrix_transpose(one_hot_codes(xp, table, codes)) @ rows


def mask(xp: Namespace, rows: Array, columns: Array, least: Any, factor: Any, dtype: object) -> Array:
    """``factor`` where the number of a row and a column is at least ``least``, else 0: (..., batch, width), fresh."""
    kept = xp.astype(mixed(rows[..., None] + columns) >= least, dtype)
    kept *= factor
    return kept


def constant(xp: Namespace, number: float) -> float:
    """Return the number itself."""
    return number


_DEFINITIONS: tuple[Callable[..., Any], ...] = (
    *(gather, affine, sigmoid, sigmoid_backward, softmax, log_softmax),
    *(multiply_transposed, product_of_factors, add_product, add_sum, sum_over_batch, add_rows, mask, constant),
)
"""Definitions in the order of the fields of `Ops`."""


def one_hot_codes(xp: Namespace, table: Array, codes: Array) -> Array:
    """Encode ``codes`` ([runs,] m) of the rows of ``table`` ([runs,] n, width) as one-hot rows ([runs,] m, n)."""
    numbers = xp.arange(table.shape[-2], dtype=codes.dtype, device=device(table))
    return xp.astype(codes[..., None] == numbers, table.dtype)


def rows_below_each_other(xp: Namespace, table: Array, codes: Array) -> tuple[Array, Array]:
    """Join the runs' tables, (runs * n, width); also return the row numbers of ``codes`` in the result, (runs * m,)."""
    *runs, n, width = table.shape
    if math.prod(runs) > 1:
        first = n * xp.arange(runs[0], dtype=codes.dtype, device=device(table))
        codes = codes + first[:, None]
    return xp.reshape(table, (-1, width)), xp.reshape(codes, (-1,))
