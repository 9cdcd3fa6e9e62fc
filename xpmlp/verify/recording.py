"""Records of a trial, on a backend or by the reference, for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from xpmlp._tree import map_leaves
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Fold
from xpmlp.optim import Hyperparameters
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.snapshot import to_host
from xpmlp.training.stack import as_stack, one_of
from xpmlp.training.step import (
    Constants,
    PreparedBatch,
    TrainingState,
    device_rates,
    fold_steps,
    seeds_of,
    training_fold,
    training_passes,
)
from xpmlp.verify.layered import by_layer
from xpmlp.verify.quantities import HostArray, HostLayer, Quantities, quantities_of
from xpmlp.verify.reference import ReferenceTraining
from xpmlp.verify.trial import Trial


@dataclass(frozen=True)
class TrialRecord:
    """Results of a trial, on the host.

    Attributes
    ----------
    loss : (steps, batch)
        Loss of each example, before its batch's update.
    parameters : dict of list of tuple of arrays
        Parameters of each layer, by the number of steps done, for those in ``Trial.points``.
    quantities : dict of Quantities
        Every quantity, by step, for the steps in ``Trial.shown``.
    """

    loss: HostArray
    parameters: dict[int, list[HostLayer]]
    quantities: dict[int, Quantities]

    def same_bits(self, other: TrialRecord) -> bool:
        """Return whether all numbers of two recordings of one trial are bitwise equal."""
        return all(a.tobytes() == b.tobytes() for a, b in zip(self._arrays(), other._arrays(), strict=True))

    def _arrays(self) -> list[HostArray]:
        weights = [leaf for layers in self.parameters.values() for layer in layers for leaf in layer]
        quantities = [array for one in self.quantities.values() for array in one.values()]
        return [self.loss, *weights, *quantities]


class Seen(NamedTuple):
    """Results of a training step before its update."""

    activations: list[Array]
    logits: Array
    deltas: list[Array]
    gradients: Any


def record(trainable: ConfigTrainable, trial: Trial) -> TrialRecord:
    """Record a training like that of `xpmlp.train`, with the quantities of the steps shown.

    Parameters
    ----------
    trainable : ConfigTrainable
        On the backend to verify.
    trial : Trial
    """
    backend = trainable.backend
    losses, parameters, quantities = [], {}, {}
    with backend.session(trial.batch_size):
        fresh: Parameters = backend.parameters(as_stack(trial.start))
        state = TrainingState(fresh, trainable.optimizer.init(fresh))
        watching = _watching_fold(trainable, trial.is_plain)
        for done, after in pairwise([0, *trial.points]):
            steps = range(done, after)
            if after in trial.shown:
                before = TrainingState(backend.copy(state.parameters), _nothing_seen(trainable, trial))
                seen = to_host(backend, one_of(_fold(trainable, trial, watching, before, steps)[0].optimizer))
            state, loss = _fold(trainable, trial, trainable.training_fold, state, steps)
            losses.append(backend.to_numpy(loss))
            parameters[after] = by_layer(to_host(backend, one_of(state.parameters)))
            if after in trial.shown:
                quantities[after] = quantities_of(
                    seen.activations,
                    seen.logits,
                    losses[-1][0],
                    seen.deltas,
                    by_layer(seen.gradients),
                    parameters[after],
                    trial.names,
                )
    return TrialRecord(np.concatenate(losses), parameters, quantities)


def _fold(
    trainable: ConfigTrainable, trial: Trial, fold: Fold, state: TrainingState, steps: range
) -> tuple[TrainingState, Array]:
    """Train for some of the trial's steps; return the state and the loss (steps, batch) of each example."""
    backend, train = trainable.backend, trainable.config.train
    rows, examples = trainable.fetch(trial.rows[steps.start : steps.stop, None, :])
    seeds = seeds_of(trainable.network, backend, [train.seed])
    numbers = backend.asarray(np.arange(steps.start, steps.stop, dtype=np.int32)[:, None, None])
    rate, decay, momentum = (
        np.full((len(steps), 1, 1, 1), value) for value in (train.learning_rate, train.weight_decay, train.momentum)
    )
    divisor = rows.shape[-1] * trainable.network.root.repeats
    rates = Hyperparameters.series(rate, decay if train.weight_decay else None, momentum, divisor)
    sent = device_rates(backend, fold, trainable.optimizer, rates)
    batches = (rows, sent) if seeds is None else (rows, sent, numbers)
    state, (loss, _) = fold_steps(backend, fold, trainable.network, state, batches, Constants(examples, seeds))
    return state, loss[:, 0, ...]


def _watching_fold(trainable: ConfigTrainable, is_plain: bool) -> Fold:
    """Build the training fold with a step that records the results of its passes instead of updating parameters."""
    network, ops = trainable.network, trainable.backend.ops
    fold = training_fold(network, trainable.optimizer, ops, trainable.backend.dtype)
    passes = training_passes(network, ops)

    def step(
        state: TrainingState, batch: PreparedBatch, constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        logits, factors = passes(state.parameters, batch)
        inputs, deltas = map(list, zip(*factors, strict=True)) if is_plain else ([], [])
        slopes = network.root.gradients(ops, factors, logits.shape[-2])
        return TrainingState(state.parameters, Seen(inputs[1:], logits, deltas, slopes)), (logits,)

    return Fold(fold.prepare, step, fold.conclude)


def _nothing_seen(trainable: ConfigTrainable, trial: Trial) -> Seen:
    """Make the initial value of the recording fold: zeros in the shapes of its results."""
    widths = trainable.network.sizes[1:] if trial.is_plain else []
    outputs = [np.zeros((trial.batch_size, width)) for width in widths]
    logits = np.zeros((trial.batch_size * trainable.network.root.repeats, trainable.network.root.width))
    slopes = map_leaves(np.zeros_like, trial.start)
    nothing: Seen = trainable.backend.parameters(as_stack(Seen(outputs[:-1], logits, outputs, slopes)))
    return nothing


def record_reference(trial: Trial) -> TrialRecord:
    """Record a trial by `xpmlp.verify.reference`."""
    training = ReferenceTraining(trial.reference_network, trial.config.train, by_layer(trial.start))
    losses, parameters, quantities = [], {}, {}
    for step in range(1, trial.steps + 1):
        result = training.step(trial.reference_batch(step))
        losses.append(result.loss)
        if step in trial.points:
            parameters[step] = training.parameters
        if step in trial.shown:
            quantities[step] = quantities_of(
                result.activations,
                result.preactivations[-1],
                result.loss,
                result.deltas,
                result.gradients,
                training.parameters,
                trial.names,
            )
    return TrialRecord(np.stack(losses), parameters, quantities)
