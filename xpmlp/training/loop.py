"""The training loop: epochs of segments of steps, for a block of one or more stacked runs.

A block is the unit of training: runs of equal shapes, stacked along a leading ``runs`` axis (without one where there
is a single run).  A run that ends early leaves the stack at the end of a segment or an epoch; the others go on
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp._typing import Parameters
from xpmlp.optim import Hyperparameters
from xpmlp.training.course import Course
from xpmlp.training.reporter import Progress, Reporter
from xpmlp.training.run import EpochRow, Run, RunSettings, Status
from xpmlp.training.segments import Segment, segments
from xpmlp.training.step import Constants, TrainingState, take_rows
from xpmlp.training.task import Task


def train_block(
    task: Task,
    settings: Sequence[RunSettings],
    reporter: Reporter,
    should_stop: Callable[[], bool],
    course: Course | None = None,
) -> list[Run]:
    """Train runs of equal shapes together, inside the backend's session.

    Parameters
    ----------
    task : Task
        What they have in common.
    settings : sequence of RunSettings
        One for each run.
    reporter : Reporter
        Hears of every segment and epoch.
    should_stop : () -> bool
        Asked before each segment; where it says so, the runs end as interrupted, with the weights they have.
    course : Course, optional
        Where first weights, orders of examples and learning rates come from, if not from the config alone.

    Returns
    -------
    runs : list of Run
        Ended, in the order of ``settings``.
    """
    block = _Block(task, settings, reporter, course or Course(task))
    block.train(should_stop)
    return [lap.run for lap in block.laps]


class _Lap:
    """A run with the epoch that it is in."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.order: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self.learning_rate = run.settings.learning_rate
        self.loss_sum, self.correct, self.examples, self.steps = 0.0, 0, 0, 0

    def begin(self, order: npt.NDArray[np.int64], learning_rate: float) -> None:
        """Start an epoch that visits the examples in ``order``."""
        self.order, self.learning_rate = order, learning_rate
        self.loss_sum, self.correct, self.examples, self.steps = 0.0, 0, 0, 0

    def add(self, segment: Segment, losses: npt.NDArray[Any], correct: npt.NDArray[Any]) -> None:
        """Count a trained segment: the mean loss (steps,) and the number of correct predictions (steps,)."""
        self.run.batch_losses.append(losses)
        self.loss_sum += float(losses.sum(dtype=np.float64)) * segment.batch
        self.correct += int(correct.sum())
        self.examples += segment.examples
        self.steps += segment.steps

    @property
    def loss(self) -> float:
        """The mean loss of the epoch's examples so far."""
        return self.loss_sum / self.examples

    @property
    def accuracy(self) -> float:
        """The part of the epoch's examples so far that was predicted right."""
        return self.correct / self.examples


class _Block:
    """Runs in training: their records, and the stacked arrays of those that are still active."""

    def __init__(self, task: Task, settings: Sequence[RunSettings], reporter: Reporter, course: Course) -> None:
        self.task, self.backend, self.reporter, self.course = task, task.backend, reporter, course
        self.plan = task.plan
        self.laps = [_Lap(Run(one)) for one in settings]
        self.active = list(self.laps)
        self.segments = segments(task.n_examples, self.plan.batch_size, self.plan.segment_steps)
        self.steps = sum(segment.steps for segment in self.segments)
        self.state = course.initial_state(settings)

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Train until every run has ended."""
        self.reporter.begin(self.plan.epochs, self.steps)
        for epoch in range(1, self.plan.epochs + 1):
            for lap in self.active:
                lap.begin(self.course.order(lap.run, epoch), self.course.learning_rate(lap.run, epoch))
            for segment in self.segments:
                if should_stop():
                    self._leave(range(len(self.active)), Status.INTERRUPTED)
                    return
                self._train_segment(epoch, segment)
                if not self.active:
                    return
                self.reporter.segment(self._progress(epoch, segment))
            self._end_epoch(epoch)
            if not self.active:
                return
        self._leave(range(len(self.active)), Status.FINISHED)

    def _hyperparameters(self) -> Hyperparameters:
        """The active runs' hyperparameters: floats for one run, (runs, 1, 1) arrays for a stack."""
        settings = [lap.run.settings for lap in self.active]
        return Hyperparameters(
            self._stacked([lap.learning_rate for lap in self.active]),
            self._stacked([one.weight_decay for one in settings])
            if any(one.weight_decay for one in settings)
            else None,
            self._stacked([one.momentum for one in settings]),
        )

    def _stacked(self, values: list[float]) -> Any:
        if len(values) == 1:
            return values[0]
        return self.backend.asarray(np.asarray(values)[:, None, None], self.backend.dtype)

    def _train_segment(self, epoch: int, segment: Segment) -> None:
        """Train the active runs on one segment; those whose loss or weights stop being finite leave the stack."""
        xp = self.backend.xp
        stacked = np.stack([segment.cut(lap.order) for lap in self.active], axis=1)
        rows, examples = self.task.fetch(stacked if len(self.active) > 1 else stacked[:, 0])
        labels = take_rows(self.backend.ops, examples.labels, rows)
        before = self.backend.copy(self.state.parameters)
        self.state, (loss, decided) = self.backend.scan(
            self.task.training_step, self.state, (rows, labels), Constants(examples, self._hyperparameters())
        )
        losses, correct = (
            self.backend.to_numpy(output).reshape(segment.steps, len(self.active))
            for output in (xp.mean(loss, axis=-1), xp.count_nonzero(decided == labels, axis=-1))
        )
        finite = self._finite_weights()
        diverged = []
        for column, lap in enumerate(self.active):
            bad = np.flatnonzero(~np.isfinite(losses[:, column]))
            if len(bad) or not finite[column]:
                last = int(bad[0]) + 1 if len(bad) else segment.steps
                lap.run.batch_losses.append(losses[:last, column])
                lap.run.ended_at = (epoch, lap.steps + last)
                diverged.append(column)
            else:
                lap.add(segment, losses[:, column], correct[:, column])
        self._leave(diverged, Status.DIVERGED, before)

    def _finite_weights(self) -> npt.NDArray[np.bool_]:
        """Whether all weights of each active run are finite, (runs,)."""
        xp = self.backend.xp
        flags = [xp.all(xp.isfinite(leaf), axis=(-2, -1)) for layer in self.state.parameters for leaf in layer]
        return self.backend.to_numpy(xp.all(xp.stack(flags), axis=0)).reshape(len(self.active))

    def _end_epoch(self, epoch: int) -> None:
        """Validate the active runs, record the epoch, and let those leave that have stopped improving."""
        examples = self.task.validation_examples
        scores = (
            [None] * len(self.active)
            if examples is None
            else self.task.inference.evaluate(self.state.parameters, examples)
        )
        if self.plan.evaluate_train:
            after = self.task.inference.evaluate(self.state.parameters, self.task.train_examples)
            for lap, train_score in zip(self.active, after, strict=True):
                lap.run.train_scores.append(train_score)
        stopped = []
        for column, (lap, score) in enumerate(zip(self.active, scores, strict=True)):
            loss, accuracy = (None, None) if score is None else score
            row = EpochRow(epoch, lap.loss, lap.accuracy, loss, accuracy, lap.learning_rate)
            lap.run.epochs.append(row)
            self.reporter.epoch(self.laps.index(lap), row)
            if self.course.epoch_ended(lap.run, self.state):
                stopped.append(column)
            elif self.plan.patience is not None and loss is not None:
                if lap.run.improved(loss, epoch, self.plan.min_improvement):
                    lap.run.best_parameters = self._one(self.state.parameters, column)
                elif epoch - lap.run.best_epoch >= self.plan.patience:
                    stopped.append(column)
        self._leave(stopped, Status.STOPPED_EARLY)

    def _leave(self, columns: Iterable[int], status: Status, parameters: Parameters | None = None) -> None:
        """End the runs in these columns and compact the stack to the others.

        A run keeps its best weights if early stopping has found any, else those in ``parameters``, by default the
        current ones.
        """
        leaving = set(columns)
        if not leaving:
            return
        source = self.state.parameters if parameters is None else parameters
        for column in leaving:
            run = self.active[column].run
            run.end(status, run.best_parameters or self._one(source, column))
        staying = [column for column in range(len(self.active)) if column not in leaving]
        if staying:
            self.state = self._compacted(staying)
        self.active = [self.active[column] for column in staying]

    def _one(self, parameters: Parameters, column: int) -> Parameters:
        """A copy of one active run's parameters, without a runs axis."""
        if len(self.active) > 1:
            parameters = map_leaves(lambda leaf: leaf[column, ...], parameters)
        copied: Parameters = self.backend.copy(parameters)
        return copied

    def _compacted(self, staying: list[int]) -> TrainingState:
        """The state of these columns alone; what all runs share (such as a count of steps) has no runs axis."""
        if len(staying) == 1:

            def keep(leaf: Any) -> Any:
                return leaf[staying[0], ...] if leaf.ndim == 3 else leaf
        else:
            columns = self.backend.asarray(np.asarray(staying, dtype=self.backend.index_dtype_name))

            def keep(leaf: Any) -> Any:
                return self.backend.xp.take(leaf, columns, axis=0) if leaf.ndim == 3 else leaf

        state: TrainingState = self.backend.copy(map_leaves(keep, self.state))
        return state

    def _progress(self, epoch: int, segment: Segment) -> Progress:
        losses = [lap.loss for lap in self.active]
        accuracies = [lap.accuracy for lap in self.active]
        return Progress(
            epoch,
            self.plan.epochs,
            self.active[0].steps,
            self.steps,
            segment.examples * len(self.active),
            sum(losses) / len(losses),
            sum(accuracies) / len(accuracies),
        )
