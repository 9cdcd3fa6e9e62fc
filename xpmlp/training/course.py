"""The course of a training: what its runs begin with, in which order they see their examples, how fast they learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.init import batch_order
from xpmlp.optim import ScheduleSettings, schedules
from xpmlp.training.run import Run, RunSettings
from xpmlp.training.step import TrainingState
from xpmlp.training.task import Task


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

    def learning_rate(self, run: Run, epoch: int) -> float:
        """The learning rate of an epoch."""
        settings = ScheduleSettings(
            run.settings.learning_rate,
            self.plan.epochs,
            self.task.n_examples,
            self.plan.power_t,
            self.plan.tol,
            self.plan.n_iter_no_change,
        )
        return schedules[self.plan.schedule](settings, epoch - 1, [row.train_loss for row in run.epochs])

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
