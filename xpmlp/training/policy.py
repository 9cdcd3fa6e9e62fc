"""Policies of a training: the initial parameters of its runs, the order of their examples, their rates and stopping."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp.backend import Backend
from xpmlp.config import TrainConfig
from xpmlp.errors import ConfigError
from xpmlp.init import batch_order
from xpmlp.nn import criteria
from xpmlp.optim import ScheduleSettings, schedules
from xpmlp.training.inference import Score
from xpmlp.training.run import Run, RunSettings
from xpmlp.training.stack import one_of
from xpmlp.training.step import TrainingState
from xpmlp.training.trainable import Trainable

Values: TypeAlias = float | npt.NDArray[np.float64]


@dataclass(frozen=True)
class EarlyStopping:
    """Early stopping of a run whose figure, the lower the better, no longer improves.

    Attributes
    ----------
    patience : float
        Number of epochs in a row without an improvement before the run stops.
    least : float
        Minimum decrease below the best figure.
    inclusive : bool
        Whether a decrease by exactly that much is an improvement.
    """

    patience: float
    least: float = 0.0
    inclusive: bool = False

    def improves(self, figure: float, best: float) -> bool:
        """Whether a figure improves on the best one so far; NaN never does."""
        return figure <= best - self.least if self.inclusive else figure < best - self.least

    def is_exhausted(self, stalled: int) -> bool:
        """Whether to stop after this many epochs in a row without an improvement."""
        return stalled >= self.patience


class RunPolicy:
    """Default policy: draws as `xpmlp.init` does and keeps all rates constant; subclasses override methods.

    Parameters
    ----------
    trainable : Trainable

    Attributes
    ----------
    epochs_before : int
        Epochs done by the earlier training that this one continues: dropout counts its steps from there.
    changes_by_step : bool
        Whether learning rates or weight decay may change within an epoch.
    """

    epochs_before = 0
    changes_by_step = False

    def __init__(self, trainable: Trainable) -> None:
        self.trainable = trainable

    @property
    def backend(self) -> Backend:
        """The backend of the training."""
        return self.trainable.backend

    def initial_state(self, settings: Sequence[RunSettings]) -> TrainingState:
        """Return the initial state of a block, fresh arrays on the device, the runs stacked."""
        runs = [self.trainable.initial_parameters(one.seed) for one in settings]
        parameters = self.backend.parameters(stacked(runs))
        return TrainingState(parameters, self.trainable.optimizer.init(parameters))

    def order(self, run: Run, epoch: int) -> npt.NDArray[np.int64]:
        """Return the order in which an epoch, counted from 1, visits the training examples: (n,) row numbers.

        The orders of stacked runs are drawn by several threads at once.
        """
        return batch_order(run.settings.seed, epoch, self.trainable.n_examples)

    def learning_rates(self, run: Run, epoch: int, steps: range) -> Values:
        """Return the learning rates of some steps of an epoch.

        Parameters
        ----------
        run : Run
        epoch : int
            From 1.
        steps : range
            Numbers of the steps since the beginning of the training, from 0.

        Returns
        -------
        rates : float or (steps,)
            One number if they do not change within the epoch.
        """
        return run.settings.learning_rate

    def weight_decays(self, run: Run, epoch: int, steps: range, batch: int) -> Values:
        """Return the weight decay, float or (steps,), in some steps of an epoch, with ``batch`` examples per batch."""
        return run.settings.weight_decay

    def dropout_parts(self, run: Run, epoch: int, steps: range) -> Values | None:
        """Return the factor, float or (steps,), on the network's dropout in some steps; ``None`` if constant."""
        return None

    def scores(self, runs: Sequence[Run], state: TrainingState) -> Sequence[Score | None]:
        """Return the score of each run of a block on examples that it has not learned from; ``None`` without any.

        This precedes `epoch_ended`, for the active runs in the order of their columns.
        """
        examples = self.trainable.validation_examples
        if examples is None:
            return [None] * len(runs)
        return self.trainable.inference.evaluate(self.trainable.optimizer.evaluated(*state), examples)

    def epoch_ended(self, run: Run, column: int, state: TrainingState) -> bool:
        """React to a recorded epoch, and return whether the run should stop.

        Parameters
        ----------
        run : Run
            Record of the run; if ``best_parameters`` is set, the run ends with them.
        column : int
            Column of the run in the state.
        state : TrainingState
            State of the whole block, invalid once the next epoch begins: copy any arrays to be kept.
        """
        return False


class ConfigPolicy(RunPolicy):
    """Policy described by a config's ``[train]``.

    Parameters
    ----------
    trainable : Trainable
    train : TrainConfig
    dropout_schedule : str
        A key of `xpmlp.optim.schedules`.
    """

    stopping: EarlyStopping | None = None
    _predictions: Sequence[npt.NDArray[np.float64]] = ()
    """Each active run's predictions for the examples that judge it, (n, n_out), if there is a criterion."""

    def __init__(self, trainable: Trainable, train: TrainConfig, dropout_schedule: str) -> None:
        super().__init__(trainable)
        self.train, self.dropout_schedule = train, dropout_schedule
        self.changes_by_step = train.warmup > 0 or any(
            sets_by_step(train, name) for name in (train.schedule, train.weight_decay_schedule)
        )
        self.criterion = None if train.best_by == "loss" else criteria[train.best_by]
        if train.patience is not None or self.criterion is not None:
            patience = math.inf if train.patience is None else train.patience
            self.stopping = EarlyStopping(patience, train.min_improvement, inclusive=self.criterion is not None)
        targets = trainable.network.loss.targets
        if self.criterion is not None and targets not in self.criterion.targets:
            raise ConfigError(
                f"train.best_by = {train.best_by} is for {' or '.join(self.criterion.targets)}, and the targets are "
                f"{targets}: choose another, or leave it out."
            )

    def order(self, run: Run, epoch: int) -> npt.NDArray[np.int64]:
        """Return the run's own examples, shuffled unless that is turned off, and cut to the length of an epoch."""
        rows, seed = self.trainable.rows_of(run.settings.seed), run.settings.seed
        order = batch_order(seed, epoch, len(rows)) if self.train.shuffle else np.arange(len(rows))
        return rows[order][: self.trainable.n_examples]

    def learning_rates(self, run: Run, epoch: int, steps: range) -> Values:
        """Return the learning rates of the schedule, multiplied by the warm-up."""
        rates = self._scheduled(self.train.schedule, run.settings.learning_rate, run, epoch, steps)
        if not self.train.warmup:
            return rates
        whole = self.trainable.settings.epochs * self.trainable.steps_per_epoch
        warmup = self.train.warmup if self.train.warmup >= 1 else self.train.warmup * whole
        return rates * np.minimum(1.0, np.asarray(steps) / warmup)

    def weight_decays(self, run: Run, epoch: int, steps: range, batch: int) -> Values:
        """Return the weight decay of the schedule."""
        return self._scheduled(self.train.weight_decay_schedule, run.settings.weight_decay, run, epoch, steps)

    def dropout_parts(self, run: Run, epoch: int, steps: range) -> Values | None:
        """Return the factors of the dropout schedule."""
        name = self.dropout_schedule
        if name == "constant":
            return None
        parts = self._scheduled(name, 1.0, run, epoch, steps)
        if np.max(parts) > 1:
            raise ConfigError(f"the schedule {name!r} gives {np.max(parts):g}, and a part of the dropout is at most 1.")
        return parts

    def scores(self, runs: Sequence[Run], state: TrainingState) -> Sequence[Score | None]:
        """Return the scores, and keep the predictions for the criterion."""
        examples = self.trainable.validation_examples
        if self.criterion is None or self.stopping is None or examples is None:
            return super().scores(runs, state)
        parameters = self.trainable.optimizer.evaluated(*state)
        scores, predictions = self.trainable.inference.evaluate_and_predict(parameters, examples)
        self._predictions = list(predictions)
        return scores

    def epoch_ended(self, run: Run, column: int, state: TrainingState) -> bool:
        """Stop by the validation loss, or by the criterion, and keep the best weights."""
        epoch, figure = len(run.epochs), None if self.stopping is None else self.figure(run, column)
        if self.stopping is None or figure is None:
            return False
        if self.stopping.improves(figure, run.best_loss):
            run.best_loss, run.best_epoch = figure, epoch
            run.best_parameters = self.backend.copy(one_of(self.trainable.optimizer.evaluated(*state), column))
        return self.stopping.is_exhausted(epoch - run.best_epoch)

    def figure(self, run: Run, column: int) -> float | None:
        """Return the figure for comparing the last epoch with others; ``None`` if nothing is held out."""
        examples = self.trainable.judging(run)
        if self.criterion is None or examples is None:
            return run.epochs[-1].validation_loss
        (figure,) = self.trainable.inference.judged(self.criterion, self._predictions[column][None], examples)
        return figure

    def _scheduled(self, name: str, first: float, run: Run, epoch: int, steps: range) -> Values:
        """Return the values of a schedule in some steps of an epoch."""
        if name == "constant":
            return first
        train, schedule, by_step = self.train, schedules[name], sets_by_step(self.train, name)
        epochs = self.trainable.settings.epochs
        length = epochs * self.trainable.steps_per_epoch if by_step else epochs
        examples = self.trainable.n_examples * epochs / length
        settings = ScheduleSettings(1.0, length, examples, train.power_t, train.tol, train.n_iter_no_change)
        if by_step:
            return first * _values(name, settings, steps)
        losses = [row.train_loss for row in run.epochs] if schedule.needs_losses else ()
        return _checked(name, schedule.value(settings._replace(first=first), epoch - 1, losses), epoch - 1)


def sets_by_step(train: TrainConfig, name: str) -> bool:
    """Return whether a schedule sets a new value with every step."""
    schedule = schedules[name]
    return not schedule.needs_losses and (schedule.by if train.schedule_by == "auto" else train.schedule_by) == "step"


@functools.lru_cache(maxsize=8)
def _values(name: str, settings: ScheduleSettings, done: range) -> npt.NDArray[np.float64]:
    """Return the values of a schedule after epochs or steps, once for all runs of a stack; not to be modified."""
    return np.asarray([_checked(name, schedules[name].value(settings, one, ()), one) for one in done])


def _checked(name: str, value: Any, done: int) -> float:
    """Return the value of a schedule after epochs or steps, if it is a finite number of at least 0."""
    number = isinstance(value, (float, int, np.floating, np.integer))
    if number and 0 <= value < math.inf:
        return float(value)
    shown = f"{value:g}" if number else f"an object of type {type(value).__name__}"
    raise ConfigError(f"the schedule {name!r} gives {shown} for done = {done}, and not a finite number of at least 0.")


def stacked(runs: Sequence[Any]) -> Any:
    """Stack trees of host arrays into one, with a runs axis in front."""
    return map_leaves(lambda *series: np.stack(series), *runs)
