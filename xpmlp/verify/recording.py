"""Doing a trial, on a backend or by the reference, and writing down what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.backend import Fold
from xpmlp.nn import Ops, gradients
from xpmlp.optim import Hyperparameters, Optimizer
from xpmlp.training.problem import Problem
from xpmlp.training.snapshot import to_host
from xpmlp.training.step import Constants, TrainingState, dropout_counters, fold_steps, packed_rates, training_fold
from xpmlp.verify.quantities import HostArray, HostLayer, Snapshot, snapshot
from xpmlp.verify.reference import ReferenceTraining
from xpmlp.verify.trial import Trial


@dataclass(frozen=True)
class Recording:
    """What a trial gave, on the host.

    Attributes
    ----------
    loss : (steps, batch)
        Of each example, before its batch's update.
    parameters : dict of list of (weights, biases)
        After so many steps: those in ``Trial.points``.
    snapshots : dict of Snapshot
        Every quantity of the steps in ``Trial.shown``.
    """

    loss: HostArray
    parameters: dict[int, list[HostLayer]]
    snapshots: dict[int, Snapshot]

    def same_bits(self, other: Recording) -> bool:
        """Whether all numbers of two recordings of one trial are equal to the last bit."""
        return all(a.tobytes() == b.tobytes() for a, b in zip(self._arrays(), other._arrays(), strict=True))

    def _arrays(self) -> list[HostArray]:
        weights = [leaf for layers in self.parameters.values() for layer in layers for leaf in layer]
        quantities = [array for one in self.snapshots.values() for array in one.values()]
        return [self.loss, *weights, *quantities]


class Seen(NamedTuple):
    """What a training step hands to its optimiser, with the gradients that are made of it."""

    activations: list[Array]
    logits: Array
    deltas: list[Array]
    gradients: list[DenseParameters]


def record(problem: Problem, trial: Trial) -> Recording:
    """Train as `xpmlp.train` does, and look at the steps that are shown before they are done.

    Parameters
    ----------
    problem : Problem
        On the backend to be verified.
    trial : Trial
    """
    backend = problem.backend
    losses, parameters, snapshots = [], {}, {}
    with backend.session(trial.batch_size):
        fresh: Parameters = backend.parameters([DenseParameters(*layer) for layer in trial.start])
        state = TrainingState(fresh, problem.optimizer.init(fresh))
        watching = _watching_fold(problem)
        for done, after in pairwise([0, *trial.points]):
            steps = range(done, after)
            if after in trial.shown:
                before = TrainingState(backend.copy(state.parameters), _nothing_seen(problem, trial))
                seen = to_host(backend, _fold(problem, trial, watching, before, steps)[0].optimizer)
            state, loss = _fold(problem, trial, problem.training_fold, state, steps)
            losses.append(backend.to_numpy(loss))
            parameters[after] = to_host(backend, state.parameters)
            if after in trial.shown:
                snapshots[after] = snapshot(
                    seen.activations, seen.logits, losses[-1][0], seen.deltas, seen.gradients, parameters[after]
                )
    return Recording(np.concatenate(losses), parameters, snapshots)


def _fold(
    problem: Problem, trial: Trial, fold: Fold, state: TrainingState, steps: range
) -> tuple[TrainingState, Array]:
    """The state after some of the trial's steps, and the loss (steps, batch) of each example."""
    backend, train, size = problem.backend, problem.config.train, trial.batch_size
    rows, examples = problem.fetch(trial.rows[steps.start : steps.stop])
    counters = dropout_counters(problem.network, backend, state.parameters, [train.seed], size)
    numbers = backend.asarray(np.arange(steps.start, steps.stop, dtype=np.int32)[:, None])
    rate, decay, momentum = (
        np.full((len(steps), 1, 1), value) for value in (train.learning_rate, train.weight_decay, train.momentum)
    )
    rates = Hyperparameters.series(rate, decay if train.weight_decay else None, momentum, size)
    packed = packed_rates(backend, fold, rates)
    batches = (rows, packed) if counters is None else (rows, packed, numbers)
    constants = Constants(examples, counters)
    state, (loss, _) = fold_steps(backend, fold, problem.network, state, batches, constants)
    return state, loss


def _watching_fold(problem: Problem) -> Fold:
    """The training step itself, with an optimiser that keeps what it is given instead of using it."""
    backend = problem.backend
    return training_fold(problem.network, Optimizer(lambda parameters: None, _watch), backend.ops, backend.dtype)


def _watch(
    ops: Ops,
    parameters: Parameters,
    state: Any,
    activations: list[Array],
    deltas: list[Array],
    weight_sum: float | Array,
    hyperparameters: Hyperparameters,
) -> tuple[Parameters, Seen]:
    slopes = gradients(ops, activations, deltas, weight_sum)
    return parameters, Seen(activations[1:-1], activations[-1], deltas, slopes)


def _nothing_seen(problem: Problem, trial: Trial) -> Seen:
    """What the fold begins with: arrays of the shapes that it ends with."""
    outputs = [np.zeros((trial.batch_size, biases.size)) for _, biases in trial.start]
    slopes = [DenseParameters(np.zeros_like(weights), np.zeros_like(biases)) for weights, biases in trial.start]
    nothing: Seen = problem.backend.parameters(Seen(outputs[:-1], outputs[-1], outputs, slopes))
    return nothing


def record_reference(trial: Trial) -> Recording:
    """Do a trial by `xpmlp.verify.reference`."""
    training = ReferenceTraining(trial.reference_network, trial.config.train, trial.start)
    losses, parameters, snapshots = [], {}, {}
    for step in range(1, trial.steps + 1):
        result = training.step(trial.reference_batch(step))
        losses.append(result.loss)
        if step in trial.points:
            parameters[step] = training.parameters
        if step in trial.shown:
            snapshots[step] = snapshot(
                result.activations,
                result.preactivations[-1],
                result.loss,
                result.deltas,
                result.gradients,
                training.parameters,
            )
    return Recording(np.stack(losses), parameters, snapshots)
