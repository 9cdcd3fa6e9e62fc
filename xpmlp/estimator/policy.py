"""scikit-learn's policy of a training: its random stream, its learning rates, its reasons to stop."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import shuffle

from xpmlp._streams import SafeStream
from xpmlp._typing import Parameters
from xpmlp.estimator.places import moved
from xpmlp.estimator.trainable import EstimatorTrainable
from xpmlp.training.policy import EarlyStopping, RunPolicy
from xpmlp.training.run import Run, RunSettings
from xpmlp.training.stack import as_stack, one_of
from xpmlp.training.step import TrainingState

SMALLEST_RATE = 1e-6
"""The learning rate at which the schedule "adaptive" gives up."""


@dataclass
class Continuation:
    """The memory of a training for the next one, beside the fitted attributes, so that the two are as one.

    Attributes
    ----------
    choice : OptimizerChoice, optional
        The optimiser whose state it is.
    state : tree of arrays, optional
        What the optimiser remembers, on the backend that trained.
    order : (n_examples,), optional
        The last epoch's: the next one's is a permutation of it.
    stalled : int
        Epochs in a row without an improvement.
    cuts : int
        How often the schedule "adaptive" has divided the learning rate by 5.
    epochs : int
        Epochs done.
    seed : int, optional
        Of dropout's masks.
    """

    choice: Any = None
    state: Any = None
    order: npt.NDArray[np.int64] | None = None
    stalled: int = 0
    cuts: int = 0
    epochs: int = 0
    seed: int | None = None


class EstimatorPolicy(RunPolicy):
    """A policy that goes scikit-learn's way, and on from where an earlier training left off.

    Parameters
    ----------
    trainable : EstimatorTrainable
        The parameters of its estimator say how; the estimator's fitted attributes are kept up to date.
    memory : Continuation
        Of the trainings before; changed in place.
    random : numpy.random.RandomState
    score : (parameters) -> float, optional
        What early stopping watches instead of the training loss.
    """

    trainable: EstimatorTrainable

    def __init__(
        self,
        trainable: EstimatorTrainable,
        memory: Continuation,
        random: np.random.RandomState,
        score: Callable[[Parameters], float] | None,
    ) -> None:
        super().__init__(trainable)
        self.memory, self.random, self.score = memory, random, score
        self.estimator = estimator = trainable.estimator
        self.stopping = EarlyStopping(estimator.n_iter_no_change + 1, estimator.tol, inclusive=True)
        self.epochs_before = memory.epochs
        self.best_before = estimator.best_validation_score_

    def initial_state(self, settings: Sequence[RunSettings]) -> TrainingState:
        """The given weights, with the optimiser's state of the training before if it was the same optimiser."""
        memory, trainable = self.memory, self.trainable
        parameters = as_stack(moved(trainable.initial_parameters(settings[0].seed), self.backend))
        if memory.choice == trainable.choice and memory.state is not None:
            return TrainingState(parameters, as_stack(moved(memory.state, self.backend)))
        return TrainingState(parameters, trainable.optimizer.init(parameters))

    def order(self, run: Run, epoch: int) -> npt.NDArray[np.int64]:
        """The last epoch's order, shuffled."""
        n, rows, last = self.trainable.n_examples, self.trainable.rows, self.memory.order
        if not self.estimator.shuffle:
            return rows
        last = np.arange(n) if last is None or len(last) != n else last
        self.memory.order = shuffle(last, random_state=self.random)
        return rows[self.memory.order]

    def learning_rates(self, run: Run, epoch: int, steps: range) -> float:
        """The initial rate, by scikit-learn's schedules for the solver "sgd"."""
        estimator = self.estimator
        rate = float(estimator.learning_rate_init)
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate *= math.pow(estimator.t_ + 1, -estimator.power_t)
        for _ in range(self.memory.cuts):
            rate /= 5
        return rate

    def weight_decays(self, run: Run, epoch: int, steps: range, batch: int) -> float:
        """``alpha`` over the batch size; over the sum of sample weights it is divided by `penalized`."""
        alpha = run.settings.weight_decay
        return alpha / batch if self.trainable.train_part.weights is None else alpha

    def epoch_ended(self, run: Run, column: int, state: TrainingState) -> bool:
        """Keep the estimator's figures; whether to stop, as scikit-learn decides it or a callback asks for it."""
        estimator, row = self.estimator, run.epochs[-1]
        self.memory.choice, self.memory.state = self.trainable.choice, one_of(state.optimizer)
        self.memory.epochs += 1
        estimator.n_iter_ += 1
        estimator.t_ += self.trainable.n_examples
        estimator.loss_ = row.train_loss
        estimator.loss_curve_.append(row.train_loss)
        if row.validation_loss is not None:
            row = row._replace(validation_loss=self.trainable.share * row.validation_loss)
            if estimator.validation_loss_curve_ is None:
                estimator.validation_loss_curve_ = []
            estimator.validation_loss_curve_.append(row.validation_loss)
        self._say(f"Iteration {estimator.n_iter_}, loss = {row.train_loss:.8f}")
        improved = self._improved_loss() if self.score is None else self._improved_score(run, one_of(state.parameters))
        self.memory.stalled = 0 if improved else self.memory.stalled + 1
        stop = self.stopping.is_exhausted(self.memory.stalled) and self._stop_or_slow_down(row.learning_rate)
        for callback in estimator.callbacks or ():
            estimator._keep(self.backend.copy(one_of(state.parameters)), self.backend)
            stop = bool(callback(estimator, row)) or stop
        return stop

    def diverged(self) -> None:
        """Add the epoch in which the training diverged to the figures, as scikit-learn does: as NaN."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.loss_ = math.nan
        estimator.loss_curve_.append(math.nan)
        estimator.validation_scores_.append(math.nan)

    @property
    def has_improved(self) -> bool:
        """Whether early stopping has found better weights than those to begin with, so far as their score is known."""
        return bool(self.estimator.best_validation_score_ > self.best_before or math.isinf(self.best_before))

    def _improved_loss(self) -> bool:
        """Whether the loss has fallen by more than ``tol``; the best one is kept either way."""
        estimator = self.estimator
        improved = self.stopping.improves(estimator.loss_, estimator.best_loss_)
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        return improved

    def _improved_score(self, run: Run, parameters: Parameters) -> bool:
        """Whether the validation score has risen by at least ``tol``; the best weights are kept either way."""
        assert self.score is not None
        estimator, score = self.estimator, self.score(parameters)  # NaN is no improvement
        estimator.validation_scores_.append(score)
        self._say(f"Validation score: {score:f}")
        improved = self.stopping.improves(-score, -estimator.best_validation_score_)
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            run.best_parameters = self.backend.copy(parameters)
        return improved

    def _stop_or_slow_down(self, rate: float) -> bool:
        """Stop, or with the schedule "adaptive" divide the learning rate first, until it is too small."""
        estimator = self.estimator
        what = "Training loss" if self.score is None else "Validation score"
        said = (
            f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
            "consecutive epochs."
        )
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            self._say(f"{said} Stopping.")
            return True
        if rate <= SMALLEST_RATE:
            self._say(f"{said} Learning rate too small. Stopping.")
            return True
        self.memory.cuts, self.memory.stalled = self.memory.cuts + 1, 0
        self._say(f"{said} Setting learning rate to {rate / 5:f}")
        return False

    def _say(self, line: str) -> None:
        if self.estimator.verbose:
            print(line, file=SafeStream(sys.stdout))
