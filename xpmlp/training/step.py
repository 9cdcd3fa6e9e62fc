"""Folds over batches for training, evaluation and prediction, in Array API code common to all backends.

Batches are taken from the data, converted and scaled ahead of their steps, for many steps at once, or within the step
on backends that leave it there; losses and scores are computed from the logits of many steps at once.  The step itself
contains only the computations that depend on the previous step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp import nn
from xpmlp._tree import map_leaves
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.nn import Network, Ops
from xpmlp.nn.layer import Draw, Inputs, Tree
from xpmlp.nn.layers.repeat import mean_of_members, repeat_rows
from xpmlp.optim import Hyperparameters, Optimizer
from xpmlp.training.stack import runs_of


class Examples(NamedTuple):
    """Part of a data set on the device.

    Attributes
    ----------
    features : (n, n_in)
        In their storage type.
    targets : (n,) or (n, n_out)
        Class indices, of the backend's index dtype; or values, of its dtype.
    classes : (n_out,)
        ``0 .. n_out - 1``, of its index dtype.
    inverse_variance : (n_targets,)
        1 over the variance of each column of values, 0 where they are constant; ones for classes.
    weights : (n,), optional
        Weights of the examples, at least 0: all means over this part are weighted means.
    codes : (n, columns), int32, optional
        Codes of categories; see `xpmlp.nn.layer.Inputs`.
    """

    features: Array
    targets: Array
    classes: Array
    inverse_variance: Array
    weights: Array | None = None
    codes: Array | None = None


class PreparedBatch(NamedTuple):
    """Batch of a training step; prepared for many steps, each array has a steps axis in front.

    Attributes
    ----------
    inputs : Inputs
        (runs, batch, n_in), and codes if there are any.
    targets : (runs, batch, n_out)
        Encoded for the loss.
    weights : (runs, batch), optional
        Weights of the examples, relative to their mean in the batch.
    noise : tree of arrays
        Random numbers drawn for the network's layers.
    hyperparameters : Hyperparameters
        (runs, 1, 1) each.
    """

    inputs: Inputs
    targets: Array
    weights: Array | None
    noise: Tree
    hyperparameters: Hyperparameters


class Constants(NamedTuple):
    """Constants of all training steps of an epoch.

    Attributes
    ----------
    examples : Examples
    seeds : (runs, 1), int32, optional
        Seeds of the runs' random numbers, for networks that draw some.
    positions : (steps per call, batch), optional
        ``0, 1, ...``, of the backend's index dtype, for a fold that takes several steps per call.
    """

    examples: Examples
    seeds: Array | None = None
    positions: Array | None = None


class TrainingState(NamedTuple):
    """State updated by a training step: the parameters and the memory of the optimiser."""

    parameters: Parameters
    optimizer: Any


def training_fold(network: Network, optimizer: Optimizer, ops: Ops, dtype: Any) -> Fold:
    """Build the training fold, with arrays of ``dtype``.

    Returns
    -------
    fold : (state, (rows, hyperparameters[, numbers[, parts]]), constants) -> (state, (loss, score))
        ``state`` is a `TrainingState`, ``constants`` a `Constants`; ``rows`` (steps, runs, batch) are the numbers of
        the examples, ``hyperparameters`` come from `device_rates`, and for a network that draws, ``numbers``
        (steps, 1, 1) count the steps since the beginning of the training and, if dropout changes, ``parts``
        (steps, runs, 1) are those of `xpmlp.nn.layer.Draw`.  ``loss`` and ``score``, shaped like ``rows``, are those of
        each example before the update, times its weight relative to its batch.
    """
    passes, descend = training_passes(network, ops), descent(network, optimizer, ops)

    def prepare(batches: tuple[Any, ...], constants: Constants) -> PreparedBatch:
        rows, hyperparameters, *numbers = batches
        examples, noise = constants.examples, ()
        targets = network.loss.encode(ops, take_rows(ops, examples.targets, rows), examples.classes, dtype)
        weights = None if examples.weights is None else _relative(ops, take_rows(ops, examples.weights, rows))
        if constants.seeds is not None:
            number, *parts = numbers
            noise = network.root.draw(ops, Draw(constants.seeds, number, rows.shape[-1], dtype, *parts), 0)
        return PreparedBatch(_inputs(network, ops, dtype, examples, rows), targets, weights, noise, hyperparameters)

    def step(
        state: TrainingState, batch: PreparedBatch, constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        logits, factors = passes(state.parameters, batch)
        return descend(state, factors, logits.shape[-2], batch.hyperparameters), (logits,)

    def conclude(batches: tuple[Any, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        return _loss_and_score(network, ops, dtype, constants.examples, batches[0], *outputs, training=True)

    return Fold(prepare, step, conclude)


def training_passes(network: Network, ops: Ops) -> Callable[[Parameters, PreparedBatch], tuple[Array, Tree]]:
    """Build the forward and backward passes of a training step.

    Returns
    -------
    passes : (parameters, batch) -> (logits, factors)
        The logits (runs, batch, n_out), and the factors of the gradients.
    """
    root, delta_of = network.root, derivative(network, ops)

    def passes(parameters: Parameters, batch: PreparedBatch) -> tuple[Array, Tree]:
        inputs, targets, weights, noise, _ = batch
        logits, residuals = root.forward(ops, parameters, inputs, noise)
        return logits, root.backward(ops, parameters, residuals, delta_of(logits, targets, weights), False)[1]

    return passes


def derivative(network: Network, ops: Ops) -> Callable[[Array, Array, Array | None], Array]:
    """Build the derivative of the loss in a training step.

    Returns
    -------
    delta_of : (logits, targets, weights) -> delta
        Derivative of each example's weighted loss by its logits, (runs, rows, n_out), with the rows of the logits.
    """
    delta, repeats = network.loss.delta, network.root.repeats

    def delta_of(logits: Array, targets: Array, weights: Array | None) -> Array:
        if repeats > 1:
            targets = repeat_rows(ops, targets, repeats)
        result = delta(ops, logits, targets)
        if weights is not None:
            weights = weights[..., None]
            result *= weights if repeats == 1 else repeat_rows(ops, weights, repeats)
        return result

    return delta_of


def descent(network: Network, optimizer: Optimizer, ops: Ops) -> Callable[..., TrainingState]:
    """Build the update at the end of a training step: (state, factors, batch size, hyperparameters) -> state."""
    root, update, update_from_factors = network.root, optimizer.update, optimizer.update_from_factors

    def descend(state: TrainingState, factors: Tree, size: int, hyperparameters: Hyperparameters) -> TrainingState:
        parameters, memory = state
        if update_from_factors is not None:
            return TrainingState(*update_from_factors(ops, root, parameters, memory, factors, hyperparameters))
        gradients = root.gradients(ops, factors, ops.constant(size))
        return TrainingState(*update(ops, parameters, gradients, memory, hyperparameters))

    return descend


def fold_steps(
    backend: Backend,
    fold: Fold,
    network: Network,
    state: TrainingState,
    batches: tuple[Any, ...],
    constants: Constants,
) -> tuple[TrainingState, tuple[Array, ...]]:
    """Train for some steps: in calls of the fold's number of steps, then one call with the rest.

    Parameters
    ----------
    backend : Backend
    fold : Fold
        See `training_fold`.
    network : Network
    state : TrainingState
        Consumed by the call.
    batches : tuple of trees of (steps, ...)
        ``(rows, hyperparameters[, numbers[, parts]])``.
    constants : Constants
        Without positions.

    Returns
    -------
    state : TrainingState
    results : tuple of (steps, runs, batch)
        Loss and score of each example.
    """
    xp, (steps, *_, size) = backend.xp, batches[0].shape
    if fold.steps_per_call == 1:
        ahead = steps_ahead(backend, network, math.prod(batches[0].shape[1:]))
        return backend.fold(fold, state, batches, constants, ahead)
    positions = np.arange(fold.steps_per_call * size, dtype=backend.index_dtype_name).reshape(fold.steps_per_call, size)
    constants = constants._replace(positions=backend.asarray(positions))
    whole, parts = steps - steps % fold.steps_per_call, []
    for first, last, per_call in ((0, whole, fold.steps_per_call), (whole, steps, steps - whole)):
        if first == last:
            continue

        def cut(series: Array, first: int = first, last: int = last, per_call: int = per_call) -> Array:
            series = series if (first, last) == (0, steps) else series[first:last, ...]
            return xp.reshape(series, (-1, per_call, *series.shape[1:]))

        part = map_leaves(cut, batches)
        ahead = steps_ahead(backend, network, per_call * math.prod(batches[0].shape[1:]))
        state, results = backend.fold(fold, state, part, constants, ahead)
        parts.append(tuple(xp.reshape(result, (last - first, *batches[0].shape[1:])) for result in results))
    return state, parts[0] if len(parts) == 1 else tuple(map(xp.concat, zip(*parts, strict=True)))


def device_rates(backend: Backend, fold: Fold, optimizer: Optimizer, rates: Hyperparameters) -> Hyperparameters:
    """Convert the hyperparameters of some steps, (steps, runs, 1, 1) on the host in float64, for `fold_steps`.

    Only those read by the optimiser are sent, since each adds a small cost to every step.
    """
    rates = rates._replace(**dict.fromkeys(set(rates._fields) - set(optimizer.reads)))
    if fold.steps_per_call > 1 and rates.kept is not None:
        rates = rates._replace(kept_per_call=kept_per_call(rates.kept, fold.steps_per_call))
    sent: Hyperparameters = map_leaves(lambda series: backend.asarray(series.astype(backend.dtype_name)), rates)
    return sent


def kept_per_call(kept: npt.NDArray[np.float64], per_call: int) -> npt.NDArray[np.float64]:
    """Return the part of the weights kept from each step to the last of its call: (steps, runs, 1, 1), like ``kept``.

    Where ``kept`` is constant within a call, the part is a power computed by Python, since NumPy's rounds differently.
    """
    result = np.empty_like(kept)
    for first in range(0, len(kept), per_call):
        call = kept[first : first + per_call]
        left = np.cumprod(call[::-1], axis=0)[::-1]
        power = np.frompyfunc(pow, 2, 1)(call[0], len(call)).astype(np.float64)
        result[first : first + per_call] = left
        result[first] = np.where((call == call[0]).all(axis=0), power, left[0])
    return result


def steps_ahead(backend: Backend, network: Network, rows: int) -> int:
    """Return the number of steps to prepare batches for at once, with ``rows`` of all runs per step: at least one."""
    width = network.n_inputs + network.root.drawn
    return max(1, backend.prefetch.bytes // (rows * width * np.dtype(backend.dtype_name).itemsize))


def evaluation_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """Build the evaluation fold, with the same batches for every stacked run.

    Returns
    -------
    fold : (parameters, (rows,), examples) -> (parameters, (loss, score))
        As in `training_fold`, except that ``rows`` is (steps, batch), there is no dropout, and losses and scores are
        multiplied by the weights themselves: divide by the sum of the part's.  The loss is the one for evaluation; for
        the members of an ensemble it is the loss of their mean prediction.
    """
    network = network._replace(loss=network.loss.evaluated_as or network.loss)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return _loss_and_score(network, ops, dtype, examples, *batches, *outputs, training=False)

    return _forward_fold(network, ops, dtype, conclude)


def prediction_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """Build the prediction fold.

    Returns
    -------
    fold : (parameters, (rows,), examples) -> (parameters, (prediction (steps, runs, batch, n_out),))
    """

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return (mean_of_members(ops, network.loss.transform(ops, outputs[0]), network.root.repeats),)

    return _forward_fold(network, ops, dtype, conclude)


def _forward_fold(network: Network, ops: Ops, dtype: Any, conclude: Callable[..., tuple[Array, ...]]) -> Fold:
    """Build the fold (parameters, (rows,), examples) of forward passes, with the same batch for every stacked run."""

    def prepare(batches: tuple[Array, ...], examples: Examples) -> Inputs:
        return _inputs(network, ops, dtype, examples, *batches)

    def step(parameters: Parameters, inputs: Inputs, _: Any) -> tuple[Parameters, tuple[Array, ...]]:
        runs = runs_of(parameters)
        inputs = map_leaves(lambda array: ops.xp.broadcast_to(array, (runs, *array.shape)), inputs)
        return parameters, (network.root.forward(ops, parameters, inputs, ())[0],)

    return Fold(prepare, step, conclude)


def _relative(ops: Ops, weights: Array) -> Array:
    """Divide weights (..., batch) by their mean in the batch; a batch of zeros stays zero, and so has no effect."""
    mean = ops.xp.mean(weights, axis=-1, keepdims=True)
    return weights / ops.xp.where(mean > 0, mean, ops.xp.ones_like(mean))


def seeds_of(network: Network, backend: Backend, seeds: Sequence[int]) -> Array | None:
    """Return the seeds of the stacked runs' random numbers, (runs, 1), on the device; ``None`` if none are drawn.

    The random numbers are a function of the seed and of the step since the beginning of the training, passed by the
    loop with each batch: there is no state to save, and a run draws the same numbers in any stack.
    """
    if not network.root.streams:
        return None
    return backend.asarray(np.asarray([[nn.as_int32(seed)] for seed in seeds], dtype=np.int32))


def _inputs(network: Network, ops: Ops, dtype: Any, examples: Examples, rows: Array) -> Inputs:
    """Gather the network's inputs for ``rows`` (...), converted and scaled: fresh (..., n_in) and (..., columns)."""
    x = ops.gather(examples.features, ops.xp.reshape(rows, (-1,)), dtype, network.input_scale)
    codes = None if examples.codes is None else take_rows(ops, examples.codes, rows)
    return Inputs(ops.xp.reshape(x, (*rows.shape, -1)), codes)


def _loss_and_score(
    network: Network,
    ops: Ops,
    dtype: Any,
    examples: Examples,
    rows: Array,
    logits: Array,
    *,
    training: bool,
) -> tuple[Array, ...]:
    """Compute the loss and the score (steps, runs, batch) of each example in ``rows``, times its weight, if any.

    In training, weights are relative to their batch.  The score of members is that of their mean prediction.  So is the
    loss in evaluation, if it can be computed from a prediction; otherwise it is the mean of the members' losses.
    """
    loss, xp = network.loss, ops.xp
    if rows.ndim + 1 < logits.ndim:  # the same examples for every run
        rows = xp.expand_dims(rows, axis=-2)
    targets, members = take_rows(ops, examples.targets, rows), network.root.repeats
    encoded = loss.encode(ops, targets, examples.classes, dtype)
    if members == 1:
        value, decided = loss.value(ops, logits, encoded), loss.decide(ops, logits)
    else:
        prediction = mean_of_members(ops, loss.transform(ops, logits), members)
        value = None if training else loss.value_of_prediction(ops, prediction, encoded)
        if value is None:
            values = loss.value(ops, logits, repeat_rows(ops, encoded, members))
            value = mean_of_members(ops, values[..., None], members)[..., 0]
        decided = loss.decide_prediction(ops, prediction)
    results = (value, loss.score(ops, decided, targets, examples.inverse_variance))
    if examples.weights is None:
        return results
    weights = take_rows(ops, examples.weights, rows)
    weights = _relative(ops, weights) if training else weights
    return tuple(result * weights for result in results)


def take_rows(ops: Ops, array: Array, rows: Array) -> Array:
    """Take rows of an array; for ``rows`` (...) the result is (..., width)."""
    if rows.ndim == 1:
        return ops.xp.take(array, rows, axis=0)
    flat = ops.xp.take(array, ops.xp.reshape(rows, (-1,)), axis=0)
    return ops.xp.reshape(flat, (*rows.shape, *array.shape[1:]))
