"""The network: one forward pass, one backward pass, and gradients from their factors.

Shapes: ``[runs,]`` is an optional leading axis on every array, for many runs stacked in one; a single instance is
a batch of one.  The derivation is in docs/gradients.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.nn.activations import activations as activation_table
from xpmlp.nn.dropout import Mask
from xpmlp.nn.ops import Ops


def forward(
    ops: Ops,
    parameters: Parameters,
    x: Array,
    hidden: Sequence[str],
    masks: Sequence[Mask | None] = (),
    kept: list[Any] | None = None,
) -> list[Array]:
    """Run the network and keep what every layer saw.

    Parameters
    ----------
    ops : Ops
        The operations, ``pure_ops(xp)`` or a backend's.
    parameters : list of DenseParameters
        From input to output.
    x : ([runs,] batch, n_in)
    hidden : sequence of str
        The activation of each hidden layer, one fewer than there are layers; see ``xpmlp.nn.activations``.
    masks : sequence of Mask or None, optional
        What dropout leaves of each hidden layer's output; see ``xpmlp.nn.dropout``.
    kept : list, optional
        Appended to: for each layer what `backward` needs of its activation, ``None`` for the output itself.

    Returns
    -------
    activations : list of arrays
        ``[x, a1, ..., logits]``: the input of each layer, after its mask, then the output, ([runs,] batch, width)
        each.

    Raises
    ------
    ValueError
        If the number of activations, or of masks, does not fit the number of layers.
    """
    return [x, *forward_from(ops, parameters, ops.affine(x, *parameters[0]), hidden, masks, kept)]


def forward_from(
    ops: Ops,
    parameters: Parameters,
    preactivation: Array,
    hidden: Sequence[str],
    masks: Sequence[Mask | None] = (),
    kept: list[Any] | None = None,
) -> list[Array]:
    """Run the network from what its first layer has computed already.

    Parameters
    ----------
    ops, parameters, hidden, masks, kept
        As in `forward`; the first layer's parameters are not looked at.
    preactivation : ([runs,] batch, width)
        Of the first layer, ``x @ weights + biases``; may be overwritten.

    Returns
    -------
    activations : list of arrays
        What `forward` returns, without the input.

    Raises
    ------
    ValueError
        As `forward`.
    """
    result: list[Array] = []
    for layer, name, mask in zip(parameters, [*hidden, "identity"], _with_none(masks, hidden), strict=True):
        if result:
            preactivation = ops.affine(result[-1], layer.weights, layer.biases)
        activation, own = activation_table[name].forward(ops, preactivation)
        if kept is not None:
            kept.append(tuple(None if array is activation else array for array in own))
        if mask is not None:
            activation *= mask.factors
        result.append(activation)
    return result


def backward(
    ops: Ops,
    parameters: Parameters,
    activations: list[Array],
    delta: Array,
    hidden: Sequence[str],
    masks: Sequence[Mask | None] = (),
    kept: Sequence[Any] | None = None,
) -> list[Array]:
    """Carry the derivative of the loss by the logits back to every layer.

    With ``z`` a layer's pre-activation: ``dL/dz_l = (dL/dz_{l+1} @ W_{l+1}.T) * f'(z_l)``, and times the mask's
    factors where there is one.

    Parameters
    ----------
    parameters, hidden, masks
        As in `forward`.
    activations : list of arrays
        What `forward` returned.
    delta : ([runs,] batch, n_out)
        The derivative of each example's loss by its logits.
    kept : sequence, optional
        What `forward` has appended to its own; may be left out for activations that keep their output alone.

    Returns
    -------
    deltas : list of arrays
        ``dL/dz`` of each layer from input to output, per example and unscaled, ([runs,] batch, n_out of the layer).
        With ``activations`` they are the factors of the gradients.
    """
    deltas, masks = [delta], _with_none(masks, hidden)
    for index in range(len(parameters) - 1, 0, -1):
        upstream = ops.multiply_transposed(deltas[-1], parameters[index].weights)
        activation, mask = activations[index], masks[index - 1]
        if mask is not None:
            upstream *= mask.factors
            activation = activation * mask.keep  # as it was before the mask; dropped ones are multiplied by 0 anyway
        own = (None,) if kept is None else kept[index - 1]
        whole = tuple(activation if array is None else array for array in own)
        deltas.append(activation_table[hidden[index - 1]].backward(ops, upstream, whole))
    deltas.reverse()
    return deltas


def _with_none(masks: Sequence[Mask | None], hidden: Sequence[str]) -> list[Mask | None]:
    """A mask or ``None`` for every layer, the output included."""
    return [*(masks or [None] * len(hidden)), None]


def gradients(
    ops: Ops, activations: list[Array], deltas: list[Array], weight_sum: float | Array
) -> list[DenseParameters]:
    """The mean gradient of each layer, from the factors that `forward` and `backward` returned.

    ``dW = activation.T @ delta / weight_sum``, ``db = sum over the batch of delta / weight_sum``.

    Parameters
    ----------
    ops : Ops
    activations : list of ([runs,] batch, n_in)
        The layers' inputs; the logits at the end may be left on.
    deltas : list of ([runs,] batch, n_out)
    weight_sum : float or ([runs, 1, 1])
        The batch size, or the sum of the sample weights.

    Returns
    -------
    gradients : list of DenseParameters
        Shaped as the parameters are.
    """
    result = []
    for activation, delta in zip(activations, deltas, strict=False):
        mean = delta / weight_sum
        result.append(
            DenseParameters(ops.product_of_factors(activation, mean), ops.xp.sum(mean, axis=-2, keepdims=True))
        )
    return result


def per_example_gradients(activations: list[Array], deltas: list[Array]) -> list[DenseParameters]:
    """The gradient of each example's own loss: outer products of the same factors.

    Returns
    -------
    gradients : list of DenseParameters
        Weights ([runs,] batch, n_in, n_out) and biases ([runs,] batch, 1, n_out); their mean over the batch is what
        `gradients` gives.
    """
    return [
        DenseParameters(activation[..., :, None] * delta[..., None, :], delta[..., None, :])
        for activation, delta in zip(activations, deltas, strict=False)
    ]
