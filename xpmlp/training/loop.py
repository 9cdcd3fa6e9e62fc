"""The training loop: epochs of segments of steps, for a block of one or more stacked runs.

A block is the unit of training: runs of equal shapes, stacked along a leading ``runs`` axis.  A run that ends early
leaves the stack at the end of a segment or an epoch; the others continue unchanged.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp import nn
from xpmlp._tree import map_leaves, values
from xpmlp._typing import Array, Parameters
from xpmlp.optim import Hyperparameters
from xpmlp.training.policy import RunPolicy
from xpmlp.training.run import EpochProgress, EpochRow, Progress, Reporter, Run, RunSettings, Status
from xpmlp.training.segments import Segment, segments
from xpmlp.training.snapshot import Saver, Snapshot, restore, take_snapshot
from xpmlp.training.stack import one_of
from xpmlp.training.step import Constants, TrainingState, device_rates, fold_steps, seeds_of
from xpmlp.training.trainable import Trainable


def train_block(
    trainable: Trainable,
    settings: Sequence[RunSettings],
    reporter: Reporter,
    should_stop: Callable[[], bool],
    policy: RunPolicy | None = None,
    *,
    start: Snapshot | None = None,
    saver: Saver | None = None,
) -> list[Run]:
    """Train runs of equal shapes together, inside the backend's session.

    Parameters
    ----------
    trainable : Trainable
        Common to all runs.
    settings : sequence of RunSettings
        One for each run.
    reporter : Reporter
        Notified of every segment and epoch.
    should_stop : () -> bool
        Called before each segment; if it returns true, the runs end as interrupted, with their current weights.
    policy : RunPolicy, optional
        Initial weights, orders of examples, rates and stopping, by default the trainable's.
    start : Snapshot, optional
        Snapshot of an earlier training of these runs to resume from.
    saver : Saver, optional
        Receives a snapshot whenever one is due, and at the end.

    Returns
    -------
    runs : list of Run
        Ended, in the order of ``settings``.
    """
    block = _Block(trainable, settings, reporter, policy or trainable.policy, start, saver)
    block.train(should_stop)
    return block.runs


@dataclass
class ActiveRun:
    """Run that has not ended.

    Attributes
    ----------
    run : Run
    number : int
        Its position among all runs.
    order : (n_examples,)
        Order of its examples in this epoch.
    """

    run: Run
    number: int
    order: npt.NDArray[np.int64]


class _Block:
    """Block of runs in training: the records of all, and the stacked arrays of the active ones."""

    def __init__(
        self,
        trainable: Trainable,
        settings: Sequence[RunSettings],
        reporter: Reporter,
        policy: RunPolicy,
        start: Snapshot | None,
        saver: Saver | None,
    ) -> None:
        self.trainable, self.backend, self.settings = trainable, trainable.backend, trainable.settings
        self.reporter, self.policy, self.saver = reporter, policy, saver
        self.metric = trainable.network.loss.metric
        self.steps = sum(segment.steps for segment in self._segments(done=0))
        self.epoch, self.trained, self.started = 1, 0, time.perf_counter()
        if start is None:
            self.runs = [Run(one, self.metric) for one in settings]
            self.state = policy.initial_state(settings)
        else:
            self.state, self.runs = restore(self.backend, start)
            self.epoch, self.trained, self.started = start.epoch, start.steps, self.started - start.seconds
            for run, one in zip(self.runs, settings, strict=True):
                run.settings = one
        self.active = [
            ActiveRun(run, number, np.empty(0, np.int64))
            for number, run in enumerate(self.runs)
            if run.status is Status.RUNNING
        ]
        self._sent: dict[Any, Hyperparameters] = {}

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Train until every run has ended."""
        self.reporter.begin(self.settings.epochs, self.steps, self.metric)
        done = self._train_epochs(should_stop)
        if self.saver is not None:
            self.saver.save(self._snapshot())
        self._leave(range(len(self.active)), Status.FINISHED if done else Status.INTERRUPTED)

    def _train_epochs(self, should_stop: Callable[[], bool]) -> bool:
        """Train the remaining epochs, or until no run is active; return false if asked to stop before that."""
        while self.active and self.epoch <= self.settings.epochs:
            self._draw_orders()
            for segment in self._segments(self.active[0].run.progress.examples):
                if should_stop():
                    return False
                self._train_segment(segment)
                self.trained += segment.steps
                if not self.active:
                    return True
                self.reporter.segment(self._progress(segment))
                if segment.end < self.trainable.n_examples:
                    self._save_if_due(epoch_ended=False)
            self._end_epoch()
            self._save_if_due(epoch_ended=True)
        return True

    def _draw_orders(self) -> None:
        """Draw the active runs' orders of this epoch, in parallel: for a stack it takes as long as many steps."""
        runs = [active.run for active in self.active]
        with ThreadPoolExecutor() if len(runs) > 1 else contextlib.nullcontext() as threads:
            drawing = map if threads is None else threads.map
            orders = drawing(partial(self.policy.order, epoch=self.epoch), runs)
            for active, order in zip(self.active, orders, strict=True):
                active.order = order

    def _segments(self, done: int) -> list[Segment]:
        """Return the segments of an epoch that remain after this many of its examples."""
        return segments(self.trainable.n_examples, self.settings.batch_size, self.settings.segment_steps, done=done)

    def _save_if_due(self, *, epoch_ended: bool) -> None:
        """Save a snapshot if one is due; only then is the state copied to the host."""
        if self.saver is not None and self.saver.due(epoch_ended=epoch_ended, steps=self.trained):
            self.saver.save(self._snapshot())

    def _snapshot(self) -> Snapshot:
        return take_snapshot(self.backend, self.epoch, self.state, self.runs, time.perf_counter() - self.started)

    def _rates(self, segment: Segment) -> Hyperparameters:
        """Return the active runs' hyperparameters in each step of a segment; the same arrays while they are equal."""
        runs, policy, steps = [active.run for active in self.active], self.policy, self._steps_of(segment)
        rates = [policy.learning_rates(run, self.epoch, steps) for run in runs]
        decays = [policy.weight_decays(run, self.epoch, steps, segment.batch) for run in runs]
        momenta = [run.settings.momentum for run in runs]
        values = (*rates, *decays, *momenta)
        key = (len(steps), segment.batch, *values) if all(isinstance(one, float) for one in values) else None
        if key in self._sent:
            return self._sent[key]
        decaying = any(run.settings.weight_decay for run in runs)
        divisor = segment.batch * self.trainable.network.root.repeats
        series = Hyperparameters.series(
            _stacked(rates, steps), _stacked(decays, steps) if decaying else None, _stacked(momenta, steps), divisor
        )
        sent = device_rates(self.backend, self.trainable.training_fold, self.trainable.optimizer, series)
        self._sent = {} if len(self._sent) > 8 else self._sent
        if key is not None:
            self._sent[key] = sent
        return sent

    def _train_segment(self, segment: Segment) -> None:
        """Train the active runs on one segment, and remove runs with a loss or weights that are no longer finite."""
        xp, network = self.backend.xp, self.trainable.network
        seeds = [active.run.settings.seed for active in self.active]
        rows, examples = self.trainable.fetch(np.stack([segment.cut(active.order) for active in self.active], axis=1))
        drawn = seeds_of(network, self.backend, seeds)
        batches = (rows, self._rates(segment), *(() if drawn is None else self._noise_series(segment)))
        before = self.backend.copy(self._evaluated)
        constants = Constants(examples, drawn)
        self.state, (loss, metric) = fold_steps(
            self.backend, self.trainable.training_fold, network, self.state, batches, constants
        )
        # launch all computations before waiting for any result
        results = (xp.mean(loss, axis=-1), xp.sum(metric, axis=-1), self._finite_weights())
        losses, metrics, finite = (self.backend.to_numpy(result) for result in results)
        diverged = []
        for column, active in enumerate(self.active):
            bad = np.flatnonzero(~np.isfinite(losses[:, column]))
            if len(bad) or not finite[column]:
                last = int(bad[0]) + 1 if len(bad) else segment.steps
                active.run.batch_losses.append(losses[:last, column])
                active.run.ended_at = (self.epoch, active.run.progress.steps + last)
                diverged.append(column)
            else:
                active.run.batch_losses.append(losses[:, column])
                active.run.progress.add(segment, losses[:, column], metrics[:, column])
        self._leave(diverged, Status.DIVERGED, before)

    def _noise_series(self, segment: Segment) -> Iterator[Array]:
        """Yield the step numbers of a segment, counted from the beginning, and the parts of dropout if they change."""
        steps = self._steps_of(segment)
        numbers = np.asarray(steps) + self.policy.epochs_before * self.steps
        yield self.backend.asarray(numbers.astype(np.int32).reshape(-1, 1, 1))
        parts = [self.policy.dropout_parts(active.run, self.epoch, steps) for active in self.active]
        changing = [part for part in parts if part is not None]
        if changing:
            yield self.backend.asarray(np.round(_stacked(changing, steps)[..., 0] * nn.WHOLE).astype(np.int32))

    def _steps_of(self, segment: Segment) -> range:
        """Return the numbers of a segment's steps since the beginning of this training."""
        first = (self.epoch - 1) * self.steps + segment.start // self.settings.batch_size
        return range(first, first + segment.steps)

    @property
    def _evaluated(self) -> Parameters:
        """The active runs' parameters for validation and saving: their weights, or averages of them."""
        return self.trainable.optimizer.evaluated(*self.state)

    def _finite_weights(self) -> Array:
        """Return whether all weights of each active run are finite, (runs,), on the device."""
        xp = self.backend.xp
        flags = [xp.all(xp.isfinite(leaf), axis=(-2, -1)) for leaf in values(self.state.parameters)]
        return xp.all(xp.stack(flags), axis=0)

    def _end_epoch(self) -> None:
        """Validate the active runs, record the epoch, and remove runs that have stopped improving."""
        epoch, last = self.epoch, range(self.epoch * self.steps - 1, self.epoch * self.steps)
        scores = self.policy.scores([active.run for active in self.active], self.state)
        if self.settings.evaluate_train:
            after = self.trainable.inference.evaluate(self._evaluated, self.trainable.train_examples)
            for active, train_score in zip(self.active, after, strict=True):
                active.run.train_scores.append(train_score)
        stopped = []
        for column, (active, score) in enumerate(zip(self.active, scores, strict=True)):
            loss, metric = (None, None) if score is None else score
            trained, active.run.progress = active.run.progress, EpochProgress()
            (rate,) = np.atleast_1d(self.policy.learning_rates(active.run, epoch, last))
            row = EpochRow(epoch, trained.loss, trained.metric, loss, metric, float(rate))
            active.run.epochs.append(row)
            self.reporter.epoch(active.number, row)
            if self.policy.epoch_ended(active.run, column, self.state):
                stopped.append(column)
        self._leave(stopped, Status.STOPPED_EARLY)
        self.epoch += 1

    def _leave(self, columns: Iterable[int], status: Status, parameters: Parameters | None = None) -> None:
        """End the runs in these columns and reduce the stack to the others.

        A run keeps its best weights if early stopping has recorded any, else those in ``parameters``, by default the
        current ones.
        """
        leaving = set(columns)
        if not leaving:
            return
        source = self._evaluated if parameters is None else parameters
        for column in leaving:
            run = self.active[column].run
            run.end(status, run.best_parameters or self.backend.copy(one_of(source, column)))
        staying = [column for column in range(len(self.active)) if column not in leaving]
        if staying:
            self.state = self._compacted(staying)
        self.active = [self.active[column] for column in staying]

    def _compacted(self, staying: list[int]) -> TrainingState:
        """Return the state of these columns alone; shared leaves (such as a count of steps) have no runs axis."""
        columns = self.backend.asarray(np.asarray(staying, dtype=self.backend.index_dtype_name))

        def keep(leaf: Any) -> Any:
            return self.backend.xp.take(leaf, columns, axis=0) if leaf.ndim else leaf

        state: TrainingState = self.backend.copy(map_leaves(keep, self.state))
        return state

    def _progress(self, segment: Segment) -> Progress:
        progress = [active.run.progress for active in self.active]
        return Progress(
            self.epoch,
            self.settings.epochs,
            progress[0].steps,
            self.steps,
            segment.examples * len(self.active),
            fmean(one.loss for one in progress),
            fmean(one.metric for one in progress),
        )


def _stacked(values: Sequence[npt.ArrayLike], steps: range) -> npt.NDArray[np.float64]:
    """Stack each run's number, or its series of numbers, as one array: (steps, runs, 1, 1)."""
    return np.stack([np.full(len(steps), one, np.float64) for one in values], axis=-1)[..., None, None]
