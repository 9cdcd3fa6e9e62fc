"""What a backend folds over batches to train, to evaluate and to predict.  Array-API code, written once.

A batch is taken from the data, converted and scaled ahead of its step, for many steps at once; losses and decisions
are formed of the logits of many steps at once.  In the step itself is only what one batch has to wait for another for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpmlp import nn
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold, Step
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


def training_fold(network: Network, optimizer: Optimizer, ops: Ops, dtype: Any) -> Fold:
    """What trains on batches, in arrays of ``dtype``.

    Returns
    -------
    fold : (state, (rows, labels), constants) -> (state, (loss, decided))
        ``state`` a `TrainingState`, ``constants`` a `Constants`; ``rows`` (steps, [runs,] batch) the numbers of the
        examples and ``labels`` (steps, [runs,] batch) their labels.  ``loss`` and ``decided``, of the same shape, are
        the loss and the predicted label of each example before the update.
    """
    delta_of = nn.losses[network.loss].delta

    def prepare(batches: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        return _inputs(network, ops, dtype, constants.examples, *batches)

    def step(
        state: TrainingState, batch: tuple[Array, ...], constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        x, targets = batch
        parameters = state.parameters
        activations = nn.forward(ops, parameters, x, network.hidden)
        delta = delta_of(ops, activations[-1], targets)
        deltas = nn.backward(ops, parameters, activations, delta, network.hidden)
        updated = optimizer.update(
            ops, parameters, state.optimizer, activations, deltas, x.shape[-2], constants.hyperparameters
        )
        return TrainingState(*updated), (activations[-1],)

    return Fold(prepare, step, _verdict(network, ops))


def steps_ahead(backend: Backend, parameters: Parameters, batch: int) -> int:
    """For how many steps batches may be prepared at once: as many as the backend has room for, at least one."""
    *runs, n_in, _ = parameters[0].weights.shape
    return max(1, backend.ahead_bytes // (math.prod([*runs, batch, n_in]) * np.dtype(backend.dtype_name).itemsize))


def evaluation_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """What evaluates batches, the same for every stacked run.

    Returns
    -------
    fold : (parameters, (rows, labels), examples) -> (parameters, (loss, decided))
        As in `training_fold`, but ``rows`` and ``labels`` are (steps, batch).
    """

    def prepare(batches: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return _inputs(network, ops, dtype, examples, *batches)

    return Fold(prepare, _forward_step(network, ops), _verdict(network, ops))


def prediction_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """What predicts: (parameters, (rows,), examples) -> (parameters, (prediction (steps, [runs,] batch, n_out),))."""

    def prepare(batches: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return (_features(network, ops, dtype, examples, *batches),)

    def conclude(prepared: tuple[Array, ...], outputs: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return (nn.losses[network.loss].transform(ops, outputs[0]),)

    return Fold(prepare, _forward_step(network, ops), conclude)


def _forward_step(network: Network, ops: Ops) -> Step:
    """(parameters, (x, ...), constants) -> (parameters, (logits,)), with the same batch for every stacked run."""

    def step(parameters: Parameters, batch: tuple[Array, ...], _: Any) -> tuple[Parameters, tuple[Array, ...]]:
        x, runs = batch[0], parameters[0].weights.shape[:-2]
        if runs:
            x = ops.xp.broadcast_to(x, (*runs, *x.shape))
        return parameters, (nn.forward(ops, parameters, x, network.hidden)[-1],)

    return step


def _inputs(
    network: Network, ops: Ops, dtype: Any, examples: Examples, rows: Array, labels: Array
) -> tuple[Array, Array]:
    """The features (..., n_in) and the encoded targets (..., n_out) of the examples in ``rows`` (...)."""
    targets = nn.losses[network.loss].encode(ops, labels, examples.classes, dtype)
    return _features(network, ops, dtype, examples, rows), targets


def _features(network: Network, ops: Ops, dtype: Any, examples: Examples, rows: Array) -> Array:
    """The network's input for ``rows`` (...), converted and scaled: a fresh array (..., n_in)."""
    x = ops.xp.astype(take_rows(ops, examples.features, rows), dtype, copy=False)
    if network.input_scale != 1.0:
        x *= network.input_scale
    return x


def _verdict(network: Network, ops: Ops) -> Callable[[tuple[Array, ...], tuple[Array, ...], Any], tuple[Array, ...]]:
    """The loss and the decision (steps, [runs,] batch) on each example, from its target and its logits."""
    loss = nn.losses[network.loss]

    def conclude(prepared: tuple[Array, ...], outputs: tuple[Array, ...], _: Any) -> tuple[Array, ...]:
        (_, targets), (logits,) = prepared, outputs
        if targets.ndim < logits.ndim:  # the same examples for every run
            targets = ops.xp.expand_dims(targets, axis=-3)
        return loss.value(ops, logits, targets), loss.decide(ops, logits)

    return conclude


def take_rows(ops: Ops, array: Array, rows: Array) -> Array:
    """Rows of an array; for ``rows`` (...) of shape (..., width)."""
    if rows.ndim == 1:
        return ops.xp.take(array, rows, axis=0)
    flat = ops.xp.take(array, ops.xp.reshape(rows, (-1,)), axis=0)
    return ops.xp.reshape(flat, (*rows.shape, *array.shape[1:]))
