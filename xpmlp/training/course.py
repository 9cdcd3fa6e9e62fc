"""The course of a training: what its runs begin with, in which order they see their examples, how fast they learn."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.config import TrainConfig
from xpmlp.init import batch_order
from xpmlp.optim import ScheduleSettings, schedules
from xpmlp.training.run import Run, RunSettings
from xpmlp.training.step import TrainingState
from xpmlp.training.task import Task

Values: TypeAlias = float | npt.NDArray[np.float64]


def sets_by_step(train: TrainConfig, name: str) -> bool:
    """Whether a schedule sets a new value with every step."""
    schedule = schedules[name]
    return not schedule.needs_losses and (schedule.by if train.schedule_by == "auto" else train.schedule_by) == "step"


def changes_by_step(train: TrainConfig) -> bool:
    """Whether learning rates or weight decay may change within an epoch."""
    return train.warmup > 0 or any(sets_by_step(train, name) for name in (train.schedule, train.weight_decay_schedule))


@functools.lru_cache(maxsize=8)
def _values(name: str, settings: ScheduleSettings, done: range) -> npt.NDArray[np.float64]:
    """The values of a schedule after so many epochs or steps, once for all runs of a stack; not to be changed."""
    return np.asarray([schedules[name].value(settings, one, ()) for one in done])


class Course:
    """Where the training loop gets what is drawn by chance or changes from epoch to epoch.

    This one follows the config, and draws as `xpmlp.init` does.  A subclass may draw from another stream, continue
    an earlier training, or stop a run.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    epochs_before : int
        How many epochs an earlier training has done that this one continues: dropout counts its steps from there.
    """

    epochs_before = 0

    def __init__(self, task: Task) -> None:
        self.task, self.plan = task, task.plan

    def initial_state(self, settings: Sequence[RunSettings]) -> TrainingState:
        """The state that a block begins with, fresh arrays on the device, the runs stacked."""
        runs = [self.task.initial_parameters(one.seed) for one in settings]
        parameters: Parameters = self.task.backend.parameters(stacked(runs))
        return TrainingState(parameters, self.task.optimizer.init(parameters))

    def order(self, run: Run, epoch: int) -> npt.NDArray[np.int64]:
        """The order in which an epoch, counted from 1, visits the training examples: (n,) row numbers.

        Those of stacked runs are asked for by several threads at once.
        """
        if not self.plan.shuffle:
            return np.arange(self.task.n_examples)
        return batch_order(run.settings.seed, epoch, self.task.n_examples)

    def learning_rates(self, run: Run, epoch: int, steps: range) -> Values:
        """The learning rates of some steps of an epoch.

        Parameters
        ----------
        run : Run
        epoch : int
            From 1.
        steps : range
            Their numbers since the beginning of the training, from 0.

        Returns
        -------
        rates : float or (steps,)
            One number where they do not change within the epoch.
        """
        rates = self._scheduled(self.plan.schedule, run.settings.learning_rate, run, epoch, steps)
        if not self.plan.warmup:
            return rates
        warmup = self.plan.warmup if self.plan.warmup >= 1 else self.plan.warmup * self.plan.epochs * self._steps
        return rates * np.minimum(1.0, np.asarray(steps) / warmup)

    def weight_decays(self, run: Run, epoch: int, steps: range, batch: int) -> Values:
        """The weight decay, float or (steps,), in some steps of an epoch, whose batches have ``batch`` examples."""
        return self._scheduled(self.plan.weight_decay_schedule, run.settings.weight_decay, run, epoch, steps)

    def dropout_parts(self, run: Run, epoch: int, steps: range) -> Values:
        """The part, float or (steps,), of its dropout that the network has in some steps of an epoch, from 0 to 1."""
        return self._scheduled(self.task.dropout_schedule, 1.0, run, epoch, steps)

    @property
    def _steps(self) -> int:
        """The steps of an epoch."""
        return -(-self.task.n_examples // self.plan.batch_size)

    def _scheduled(self, name: str, first: float, run: Run, epoch: int, steps: range) -> Values:
        """The values of a schedule in some steps of an epoch."""
        if name == "constant":
            return first
        plan, schedule, by_step = self.plan, schedules[name], sets_by_step(self.plan, name)
        length = plan.epochs * self._steps if by_step else plan.epochs
        settings = ScheduleSettings(
            1.0, length, self.task.n_examples * plan.epochs / length, plan.power_t, plan.tol, plan.n_iter_no_change
        )
        if schedule.needs_losses:
            losses = [row.train_loss for row in run.epochs]
            return schedule.value(settings._replace(first=first), epoch - 1, losses)
        if by_step:
            return first * _values(name, settings, steps)
        return schedule.value(settings._replace(first=first), epoch - 1, ())

    def epoch_ended(self, run: Run, state: TrainingState) -> bool:
        """Hear that an epoch was recorded; whether the run shall stop.

        Parameters
        ----------
        run : Run
            Its record; where ``best_parameters`` is set, the run ends with them.
        state : TrainingState
            Of the whole block, dead when the next epoch begins: copy what is to be kept.
        """
        return False


def stacked(runs: Sequence[Any]) -> Any:
    """Trees of host arrays as one, with a runs axis in front."""
    series = zip(*([leaf for _, leaf in leaves(tree)] for tree in runs), strict=True)
    return map_leaves(lambda _: np.stack(next(series)), runs[0])
