"""What a backend folds over batches to train, to evaluate and to predict.  Array-API code, written once.

A batch is taken from the data, converted and scaled ahead of its step, for many steps at once, or where its backend
leaves that to the step; losses and scores are formed of the logits of many steps at once.  What is written in the step
itself is only what one batch has to wait for another for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
    dropout : tuple of float
        The part of each hidden layer's units that is dropped in training; empty for none.
    dropout_schedule : str
        A key of ``optim.schedules``.
    """

    hidden: tuple[str, ...]
    loss: str
    input_scale: float
    dropout: tuple[float, ...] = ()
    dropout_schedule: str = "constant"

    @property
    def has_changing_dropout(self) -> bool:
        """Whether each step is told which part of the dropout it has."""
        return any(self.dropout) and self.dropout_schedule != "constant"


class Examples(NamedTuple):
    """A part of a data set on the device.

    Attributes
    ----------
    features : (n, n_in)
        In the type they are stored in.
    targets : (n,) or (n, n_out)
        Class indices, of the backend's index dtype; or values, of its dtype.
    classes : (n_out,)
        ``0 .. n_out - 1``, of its index dtype.
    precision : (n_out,)
        1 over the variance of each column of values, 0 where they are constant; ones for classes.
    weights : (n,), optional
        How much each example counts, at least 0: all means over this part are weighted means.
    """

    features: Array
    targets: Array
    classes: Array
    precision: Array
    weights: Array | None = None


class Constants(NamedTuple):
    """What every training step of an epoch shares.

    Attributes
    ----------
    examples : Examples
    counters : Counters, optional
        For dropout's masks; see `dropout_counters`.
    positions : (together, batch), optional
        ``0, 1, ...``, of the backend's index dtype, for a fold that takes several steps together.
    """

    examples: Examples
    counters: nn.Counters | None = None
    positions: Array | None = None


class TrainingState(NamedTuple):
    """What a training step changes: the parameters and what the optimiser remembers."""

    parameters: Parameters
    optimizer: Any


def training_fold(network: Network, optimizer: Optimizer, ops: Ops, dtype: Any) -> Fold:
    """What trains on batches, in arrays of ``dtype``.

    Returns
    -------
    fold : (state, (rows, rates[, numbers[, parts]]), constants) -> (state, (loss, score))
        ``state`` a `TrainingState`, ``constants`` a `Constants`; ``rows`` (steps, [runs,] batch) the numbers of the
        examples, ``rates`` (steps, [runs,] 1, n) the packed `Hyperparameters` of the steps, and with dropout
        ``numbers`` (steps, [1,] 1) those of the steps since the training's beginning and, with a schedule of it,
        ``parts`` (steps, [runs,] 1) as `nn.dropout_masks` takes them.
        ``loss`` and ``score``, shaped as ``rows``, are those of each example before the update, times its weight
        relative to its batch.
    """
    backward = backward_step(network, optimizer, ops)

    def prepare(batches: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        rows, rates, *numbers = batches
        examples = constants.examples
        x, encoded = _inputs(network, ops, dtype, examples, rows)
        weights = () if examples.weights is None else (_relative(ops, take_rows(ops, examples.weights, rows)),)
        series = (field for field in Hyperparameters.unpacked(rates) if field is not None)
        return x, encoded, *weights, *series, *_mask_factors(network, ops, dtype, constants.counters, numbers)

    def step(
        state: TrainingState, batch: tuple[Array, ...], constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        x, encoded, *rest = batch
        masks = masks_of(network, rest)
        activations = nn.forward(ops, state.parameters, x, network.hidden, masks)
        state, _ = backward(state, activations, encoded, rest, masks, constants)
        return state, (activations[-1],)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        relative = partial(_relative, ops)
        return _verdict(network, ops, dtype, constants.examples, batches[0], outputs[0], relative)

    return Fold(prepare, step, conclude)


def backward_step(network: Network, optimizer: Optimizer, ops: Ops) -> Callable[..., tuple[TrainingState, list[Array]]]:
    """The second half of a training step, from the loss's derivative to the new parameters.

    Returns
    -------
    backward : (state, activations, encoded, rest, masks, constants) -> (state, deltas)
        ``activations`` as `nn.forward` gives them, ``encoded`` the targets as the loss wants them, ``rest`` what
        `training_fold` prepares beside them, ``masks`` as `masks_of` gives them.
    """
    delta_of = nn.losses[network.loss].delta

    def backward(
        state: TrainingState,
        activations: list[Array],
        encoded: Array,
        rest: Sequence[Array],
        masks: Sequence[nn.Mask | None],
        constants: Constants,
    ) -> tuple[TrainingState, list[Array]]:
        delta = delta_of(ops, activations[-1], encoded)
        if constants.examples.weights is not None:
            delta *= rest[0][..., None]
        deltas = nn.backward(ops, state.parameters, activations, delta, network.hidden, masks)
        hyperparameters = hyperparameters_of(network, rest, constants)
        updated = optimizer.update(
            ops, state.parameters, state.optimizer, activations, deltas, delta.shape[-2], hyperparameters
        )
        return TrainingState(*updated), deltas

    return backward


def fold_steps(
    backend: Backend,
    fold: Fold,
    network: Network,
    state: TrainingState,
    batches: tuple[Array, ...],
    constants: Constants,
) -> tuple[TrainingState, tuple[Array, ...]]:
    """Train for some steps: as many together as the fold takes, then the rest of them.

    Parameters
    ----------
    backend : Backend
    fold : Fold
        See `training_fold`.
    network : Network
    state : TrainingState
        Dead afterwards.
    batches : tuple of (steps, ...)
        ``(rows, rates[, numbers[, parts]])``.
    constants : Constants
        Without positions.

    Returns
    -------
    state : TrainingState
    results : tuple of (steps, [runs,] batch)
        Loss and score of each example.
    """
    xp, (steps, *_, size) = backend.xp, batches[0].shape
    if fold.together > 1:
        positions = np.arange(fold.together * size, dtype=backend.index_dtype_name).reshape(fold.together, size)
        constants = constants._replace(positions=backend.asarray(positions))
    whole, parts = steps - steps % fold.together, []
    for first, last, together in ((0, whole, fold.together), (whole, steps, steps - whole)):
        if first == last:
            continue
        part = tuple(series[first:last, ...] for series in batches)
        if fold.together > 1:
            part = tuple(xp.reshape(series, (-1, together, *series.shape[1:])) for series in part)
        ahead = steps_ahead(backend, state.parameters, together * size, network.dropout)
        state, results = backend.fold(fold, state, part, constants, ahead)
        parts.append([xp.reshape(result, (last - first, *batches[0].shape[1:])) for result in results])
    return state, tuple(xp.concat(series) for series in zip(*parts, strict=True))


def packed_rates(backend: Backend, fold: Fold, rates: Hyperparameters) -> Array:
    """The hyperparameters of some steps, (steps, [runs,] 1, 1) on the host, as `fold_steps` takes them."""
    if fold.together > 1 and rates.kept is not None:
        rates = rates._replace(kept_per_call=kept_per_call(rates.kept, fold.together))
    return backend.asarray(rates.packed(np).astype(backend.dtype_name))


def kept_per_call(kept: npt.NDArray[np.float64], together: int) -> npt.NDArray[np.float64]:
    """What the steps from each to the last of its call leave of the weights: (steps, [runs,] 1, 1), as ``kept``.

    Where it does not change within a call it is formed as a power, by Python: NumPy's own round in another way.
    """
    result = np.empty_like(kept)
    for first in range(0, len(kept), together):
        call = kept[first : first + together]
        left = np.cumprod(call[::-1], axis=0)[::-1]
        power = np.frompyfunc(pow, 2, 1)(call[0], len(call)).astype(np.float64)
        result[first : first + together] = left
        result[first] = np.where((call == call[0]).all(axis=0), power, left[0])
    return result


def steps_ahead(backend: Backend, parameters: Parameters, batch: int, dropout: Sequence[float] = ()) -> int:
    """For how many steps batches, with dropout's masks, may be prepared at once: at least one."""
    *runs, width, _ = parameters[0].weights.shape
    width += sum(layer.weights.shape[-1] for layer, rate in zip(parameters, dropout, strict=False) if rate)
    return max(1, backend.ahead_bytes // (math.prod([*runs, batch, width]) * np.dtype(backend.dtype_name).itemsize))


def evaluation_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """What evaluates batches, the same for every stacked run.

    Returns
    -------
    fold : (parameters, (rows,), examples) -> (parameters, (loss, score))
        As in `training_fold`, but ``rows`` is (steps, batch), nothing is dropped, and losses and scores are times the
        weights themselves: divide by the sum of the part's.
    """

    def prepare(batches: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return (_features(network, ops, dtype, examples, *batches),)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return _verdict(network, ops, dtype, examples, *batches, *outputs)

    return Fold(prepare, _forward_step(network, ops), conclude)


def prediction_fold(network: Network, ops: Ops, dtype: Any) -> Fold:
    """What predicts: (parameters, (rows,), examples) -> (parameters, (prediction (steps, [runs,] batch, n_out),))."""

    def prepare(batches: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return (_features(network, ops, dtype, examples, *batches),)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
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


def _inputs(network: Network, ops: Ops, dtype: Any, examples: Examples, rows: Array) -> tuple[Array, Array]:
    """The features (..., n_in) and the encoded targets (..., n_out) of the examples in ``rows`` (...)."""
    targets = take_rows(ops, examples.targets, rows)
    encoded = nn.losses[network.loss].encode(ops, targets, examples.classes, dtype)
    return _features(network, ops, dtype, examples, rows), encoded


def _relative(ops: Ops, weights: Array) -> Array:
    """Weights (..., batch) over their mean in the batch; zeros stay zeros, so that such a batch changes nothing."""
    mean = ops.xp.mean(weights, axis=-1, keepdims=True)
    return weights / ops.xp.where(mean > 0, mean, ops.xp.ones_like(mean))


def dropout_counters(
    network: Network, backend: Backend, parameters: Parameters, seeds: Sequence[int], batch: int
) -> nn.Counters | None:
    """What dropout's masks are a function of besides the step; ``None`` without dropout.

    The rest is the number of the step since the training's beginning, which the loop hands in with each batch: it
    follows from the epoch and the place in it, so that there is no state to save.  The masks are those of each run's
    seed, whatever it is stacked with.

    Parameters
    ----------
    parameters : list of DenseParameters
    seeds : sequence of int
        One for each run that is stacked.
    batch : int
    """
    if not any(network.dropout):
        return None

    def count(length: int) -> Array:
        return backend.asarray(np.arange(length, dtype=np.int32))

    column = np.asarray([[nn.as_int32(seed)] for seed in seeds], dtype=np.int32)
    return nn.Counters(
        backend.asarray(column if len(seeds) > 1 else column[0]),
        count(batch),
        tuple(count(layer.weights.shape[-1]) for layer in parameters[:-1]),
    )


def _mask_factors(
    network: Network, ops: Ops, dtype: Any, counters: nn.Counters | None, numbers: Sequence[Array]
) -> tuple[Array, ...]:
    """The factors of each mask (..., batch, width), where there is dropout, then what is kept where that changes."""
    if counters is None:
        return ()
    number, *parts = numbers
    found = nn.dropout_masks(ops, network.dropout, counters, number, dtype, *parts)
    masks = [mask for mask in found if mask is not None]
    return *(mask.factors for mask in masks), *(mask.keep for mask in masks if parts)


def hyperparameters_of(network: Network, rest: Sequence[Array], constants: Constants) -> Hyperparameters:
    """A step's hyperparameters, which come after its weights and before its masks."""
    first = 0 if constants.examples.weights is None else 1
    return Hyperparameters.of(rest[first : len(rest) - _masks(network)])


def _masks(network: Network) -> int:
    """How many of a step's arrays are for dropout."""
    return sum(rate > 0 for rate in network.dropout) * (2 if network.has_changing_dropout else 1)


def masks_of(network: Network, rest: Sequence[Array]) -> list[nn.Mask | None]:
    """The masks by hidden layer, or none at all; their arrays are the last of what is prepared for a step."""
    first, last = len(rest) - _masks(network), len(rest) - sum(rate > 0 for rate in network.dropout)
    factors = iter(rest[first:])
    keeps = iter(rest[last:] if last > first else [1.0 - rate for rate in network.dropout if rate])
    return [nn.Mask(next(factors), next(keeps)) if rate else None for rate in network.dropout]


def _features(network: Network, ops: Ops, dtype: Any, examples: Examples, rows: Array) -> Array:
    """The network's input for ``rows`` (...), converted and scaled: a fresh array (..., n_in)."""
    x = ops.gather(examples.features, ops.xp.reshape(rows, (-1,)), dtype, network.input_scale)
    return ops.xp.reshape(x, (*rows.shape, -1))


def _verdict(
    network: Network,
    ops: Ops,
    dtype: Any,
    examples: Examples,
    rows: Array,
    logits: Array,
    weighing: Callable[[Array], Array] = lambda weights: weights,
) -> tuple[Array, ...]:
    """The loss and the score (steps, [runs,] batch) of each example in ``rows``, times its weight if there is one."""
    loss, xp = nn.losses[network.loss], ops.xp
    if rows.ndim + 1 < logits.ndim:  # the same examples for every run
        rows = xp.expand_dims(rows, axis=-2)
    targets = take_rows(ops, examples.targets, rows)
    results = (
        loss.value(ops, logits, loss.encode(ops, targets, examples.classes, dtype)),
        loss.score(ops, loss.decide(ops, logits), targets, examples.precision),
    )
    if examples.weights is None:
        return results
    weights = weighing(take_rows(ops, examples.weights, rows))
    return tuple(result * weights for result in results)


def take_rows(ops: Ops, array: Array, rows: Array) -> Array:
    """Rows of an array; for ``rows`` (...) of shape (..., width)."""
    if rows.ndim == 1:
        return ops.xp.take(array, rows, axis=0)
    flat = ops.xp.take(array, ops.xp.reshape(rows, (-1,)), axis=0)
    return ops.xp.reshape(flat, (*rows.shape, *array.shape[1:]))
