"""A dense layer that the members of a batch ensemble share, with rank-one adapters of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Tree, Widths, numbers_of, sum_over_batch, width_of
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np


class AdapterParameters(NamedTuple):
    """Shared ``weights``, and a row of the other parameters for each member.

    Attributes
    ----------
    weights : ([runs,] n_in, units)
    inputs : ([runs,] members, n_in)
        Factors on the input.
    outputs, biases : ([runs,] members, units)
        Factors on the output, and the biases added to it.
    """

    weights: Array
    inputs: Array
    outputs: Array
    biases: Array


class AdapterFactors(NamedTuple):
    """Parameters, and arrays ([runs,] members * batch, n_in or units) from which the gradients are computed.

    Attributes
    ----------
    x, adapted, adapted_delta : n_in
        The input, the adapted input of the shared weights, and the derivative with respect to that.
    product, product_delta, upstream : units
        The output of the shared weights, the derivative with respect to it, and that with respect to the layer's
        output.
    """

    parameters: AdapterParameters
    x: Array
    adapted: Array
    adapted_delta: Array
    product: Array
    product_delta: Array
    upstream: Array


def adapters(units: Count, members: Count, random: bool = False) -> LayerMaker:
    """A dense layer after `repeat`, scaled for each member: ``((x * inputs) @ weights) * outputs + biases``.

    Weights begin uniform on ``+- 1 / sqrt(n_in)``; so do biases, which the members share at first; adapters begin at 1.

    Parameters
    ----------
    units : int
    members : int
        As in the layer `repeat` before.
    random : bool
        Whether ``inputs`` begin as random signs, as they must in the first such layer of a network, since otherwise all
        members would stay identical.

    References
    ----------
    Wen, Tran and Ba, BatchEnsemble: An Alternative Approach to Efficient Ensemble and Lifelong Learning, ICLR 2020;
    the first values are those of Gorishniy, Kotelnikov and Babenko, TabM, ICLR 2025.
    """

    def make(widths: Widths | int) -> Layer:
        n_in = width_of(widths)

        def init(generator: np.random.Generator) -> AdapterParameters:
            import numpy as np

            weights = generator.uniform(-1, 1, (n_in, units)) * n_in**-0.5
            biases = generator.uniform(-1, 1, (1, units)) * n_in**-0.5
            signs = generator.integers(0, 2, (members, n_in)) * 2.0 - 1.0 if random else np.ones((members, n_in))
            return AdapterParameters(weights, signs, np.ones((members, units)), np.repeat(biases, members, axis=0))

        slots = AdapterParameters(
            Slot("weights", n_in, units),
            Slot("adapters", members, n_in),
            Slot("adapters", members, units),
            Slot("biases", members, units),
        )
        settings = {"units": units, "members": members, "random": random}
        return Layer.of(
            "adapters", settings, units, slots, forward, backward, gradients, members=members, init=init, fresh=True
        )

    return make


def forward(ops: Ops, parameters: AdapterParameters, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array, Array]]:
    """The residuals are ``x``, ``x * inputs`` and their product with ``weights``."""
    x, (weights, inputs, outputs, biases) = numbers_of(x), parameters
    adapted = _joined(ops, _apart(ops, x, inputs) * _rows(ops, inputs), x)
    product = ops.multiply_transposed(adapted, ops.xp.matrix_transpose(weights))
    y = _apart(ops, product, inputs) * _rows(ops, outputs) + _rows(ops, biases)
    return _joined(ops, y, product), (x, adapted, product)


def backward(ops: Ops, parameters: AdapterParameters, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
    """Propagate back through the outputs' adapters, the shared weights and the inputs' adapters."""
    (x, adapted, product), (weights, inputs, outputs, _) = residuals, parameters
    product_delta = _joined(ops, _apart(ops, upstream, inputs) * _rows(ops, outputs), upstream)
    adapted_delta = ops.multiply_transposed(product_delta, weights)
    back = _joined(ops, _apart(ops, adapted_delta, inputs) * _rows(ops, inputs), x) if wanted else None
    return back, AdapterFactors(parameters, x, adapted, adapted_delta, product, product_delta, upstream)


def gradients(ops: Ops, factors: AdapterFactors, divisor: Any) -> AdapterParameters:
    """Compute the product of the shared layer's factors and, for each member's own parameters, sums over its rows."""
    parameters, x, adapted, adapted_delta, product, product_delta, upstream = factors

    def by_member(array: Array) -> Array:
        sums = sum_over_batch(ops, _apart(ops, array, parameters.inputs))
        return ops.xp.reshape(sums, (*parameters.inputs.shape[:-1], array.shape[-1])) / divisor

    weights = ops.product_of_factors(adapted, product_delta) / divisor
    return AdapterParameters(weights, by_member(adapted_delta * x), by_member(upstream * product), by_member(upstream))


def _apart(ops: Ops, x: Array, like: Array) -> Array:
    """([runs,] members * batch, n) -> (runs * members, batch, n), for as many members as ``like`` has rows."""
    *_, rows, n = x.shape
    return ops.xp.reshape(x, (-1, rows // like.shape[-2], n))


def _rows(ops: Ops, parameter: Array) -> Array:
    """([runs,] members, n) -> (runs * members, 1, n)."""
    return ops.xp.reshape(parameter, (-1, 1, parameter.shape[-1]))


def _joined(ops: Ops, x: Array, like: Array) -> Array:
    """(runs * members, batch, n) -> ([runs,] members * batch, n), the shape of ``like``."""
    return ops.xp.reshape(x, like.shape)
