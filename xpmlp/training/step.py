"""The two steps that a backend folds over batches: one trains, one evaluates.  Array-API code, written once."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp import nn
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Step
from xpmlp.nn import Ops
from xpmlp.optim import Hyperparameters, Optimizer


class Network(NamedTuple):
    """What a network computes, apart from its parameters.

    Attributes
    ----------
    hidden : tuple of str
        The activation of each hidden layer.
    loss : str
        A key of ``nn.losses``.
    input_scale : float
        What features are multiplied by once they are converted.
    """

    hidden: tuple[str, ...]
    loss: str
    input_scale: float


class Examples(NamedTuple):
    """A part of a data set on the device.

    Attributes
    ----------
    features : (n, n_in)
        In the type they are stored in.
    labels : (n,)
        Class indices, of the backend's index dtype.
    classes : (n_out,)
        ``0 .. n_out - 1``, of the same dtype.
    """

    features: Array
    labels: Array
    classes: Array


class Constants(NamedTuple):
    """What every training step of an epoch shares."""

    examples: Examples
    hyperparameters: Hyperparameters


class TrainingState(NamedTuple):
    """What a training step changes: the parameters and what the optimiser remembers."""

    parameters: Parameters
    optimizer: Any


def training_step(network: Network, optimizer: Optimizer, ops: Ops) -> Step:
    """The function that trains on one batch.

    Returns
    -------
    step : (state, (rows, labels), constants) -> (state, (loss, decided))
        ``state`` a `TrainingState`, ``constants`` a `Constants`; ``rows`` ([runs,] batch) the numbers of the examples
        and ``labels`` ([runs,] batch) their labels.  ``loss`` ([runs,] batch) and ``decided`` ([runs,] batch) are the
        loss and the predicted label of each example before the update; what is made of them, means and counts, is
        reckoned once for many steps.
    """
    loss_function = nn.losses[network.loss]

    def step(
        state: TrainingState, batch: tuple[Array, ...], constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        rows, labels = batch
        parameters, examples = state.parameters, constants.examples
        x = _features(network, ops, examples, rows, parameters[0].weights.dtype)
        activations = nn.forward(ops, parameters, x, network.hidden)
        logits = activations[-1]
        targets = loss_function.encode(ops, labels, examples.classes, logits.dtype)
        loss, delta = loss_function.value_and_delta(ops, logits, targets)
        decided = loss_function.decide(ops, logits)
        deltas = nn.backward(ops, parameters, activations, delta, network.hidden)
        updated = optimizer.update(
            ops, parameters, state.optimizer, activations, deltas, rows.shape[-1], constants.hyperparameters
        )
        return TrainingState(*updated), (loss, decided)

    return step


def evaluation_step(network: Network, ops: Ops) -> Step:
    """The function that evaluates one batch, the same for every stacked run.

    Returns
    -------
    step : (parameters, (rows, labels), examples) -> (parameters, (loss, decided))
        As in `training_step`, but ``rows`` and ``labels`` are (batch).
    """
    loss_function = nn.losses[network.loss]

    def step(
        parameters: Parameters, batch: tuple[Array, ...], examples: Examples
    ) -> tuple[Parameters, tuple[Array, ...]]:
        rows, labels = batch
        x = _features(network, ops, examples, rows, parameters[0].weights.dtype)
        logits = nn.forward(ops, parameters, _for_every_run(ops, x, parameters), network.hidden)[-1]
        targets = loss_function.encode(ops, labels, examples.classes, logits.dtype)
        loss, _ = loss_function.value_and_delta(ops, logits, targets)
        return parameters, (loss, loss_function.decide(ops, logits))

    return step


def prediction_step(network: Network, ops: Ops) -> Step:
    """The function that predicts one batch: (parameters, (rows,), examples) -> (parameters, (prediction,))."""
    loss_function = nn.losses[network.loss]

    def step(
        parameters: Parameters, batch: tuple[Array, ...], examples: Examples
    ) -> tuple[Parameters, tuple[Array, ...]]:
        (rows,) = batch
        x = _features(network, ops, examples, rows, parameters[0].weights.dtype)
        logits = nn.forward(ops, parameters, _for_every_run(ops, x, parameters), network.hidden)[-1]
        return parameters, (loss_function.transform(ops, logits),)

    return step


def _features(network: Network, ops: Ops, examples: Examples, rows: Array, dtype: Any) -> Array:
    """A batch of network input, ([runs,] batch, n_in), converted and scaled: always a fresh array."""
    x = ops.xp.astype(take_rows(ops, examples.features, rows), dtype, copy=False)
    if network.input_scale != 1.0:
        x *= network.input_scale
    return x


def _for_every_run(ops: Ops, x: Array, parameters: Parameters) -> Array:
    """One batch (batch, n_in) as stacked parameters need it, (runs, batch, n_in), without copying it."""
    runs = parameters[0].weights.shape[:-2]
    return ops.xp.broadcast_to(x, (*runs, *x.shape)) if runs else x


def take_rows(ops: Ops, array: Array, rows: Array) -> Array:
    """Rows of an array; for ``rows`` ([runs,] batch) of shape ([runs,] batch, ...)."""
    if rows.ndim == 1:
        return ops.xp.take(array, rows, axis=0)
    flat = ops.xp.take(array, ops.xp.reshape(rows, (-1,)), axis=0)
    return ops.xp.reshape(flat, (*rows.shape, *array.shape[1:]))
