"""scikit-learn's training policy: its random stream, learning rates and stopping rules."""

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
    """State carried from one training to the next, besides the fitted attributes, so that it continues exactly.

    Attributes
    ----------
    choice : OptimizerChoice, optional
        The optimiser that the state belongs to.
    state : tree of arrays, optional
        The optimiser's state, on the backend that trained.
    order : (n_examples,), optional
        The last epoch's order: the next one's is a permutation of it.
    stalled : int
        Consecutive epochs without an improvement.
    cuts : int
        The number of times the schedule "adaptive" has divided the learning rate by 5.
    epochs : int
        Epochs done.
    seed : int, optional
        The seed of dropout's masks.
    """

    choice: Any = None
    state: Any = None
    order: npt.NDArray[np.int64] | None = None
    stalled: int = 0
    cuts: int = 0
    epochs: int = 0
    seed: int | None = None


class EstimatorPolicy(RunPolicy):
    """A policy that follows scikit-learn's rules, and continues an earlier training.

    Parameters
    ----------
    trainable : EstimatorTrainable
        Its estimator's parameters control the training; the estimator's fitted attributes are kept up to date.
    memory : Continuation
        The state left by earlier trainings; changed in place.
    random : numpy.random.RandomState
    score : (parameters) -> float, optional
        The score that early stopping watches instead of the training loss.
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
        """Return the given weights, with the earlier training's optimiser state if it was the same optimiser."""
        memory, trainable = self.memory, self.trainable
        parameters = as_stack(moved(trainable.initial_parameters(settings[0].seed), self.backend))
        if memory.choice == trainable.choice and memory.state is not None:
            return TrainingState(parameters, as_stack(moved(memory.state, self.backend)))
        return TrainingState(parameters, trainable.optimizer.init(parameters))

    def order(self, run: Run, epoch: int) -> npt.NDArray[np.int64]:
        """Shuffle the last epoch's order."""
        n, rows, last = self.trainable.n_examples, self.trainable.rows, self.memory.order
        if not self.estimator.shuffle:
            return rows
        last = np.arange(n) if last is None or len(last) != n else last
        self.memory.order = shuffle(last, random_state=self.random)
        return rows[self.memory.order]

    def learning_rates(self, run: Run, epoch: int, steps: range) -> float:
        """Compute the learning rate by scikit-learn's schedules for the solver "sgd"; else the initial rate."""
        estimator = self.estimator
        rate = float(estimator.learning_rate_init)
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate *= math.pow(estimator.t_ + 1, -estimator.power_t)
        for _ in range(self.memory.cuts):
            rate /= 5
        return rate

    def weight_decays(self, run: Run, epoch: int, steps: range, batch: int) -> float:
        """Return ``alpha`` divided by the batch size; with sample weights, `penalized` divides it by their sum."""
        alpha = run.settings.weight_decay
        return alpha / batch if self.trainable.train_part.weights is None else alpha

    def epoch_ended(self, run: Run, column: int, state: TrainingState) -> bool:
        """Update the estimator's figures; return whether to stop, by scikit-learn's rules or a callback's request."""
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
        """Add the epoch of the divergence to the figures, as NaN like scikit-learn."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.loss_ = math.nan
        estimator.loss_curve_.append(math.nan)
        estimator.validation_scores_.append(math.nan)

    @property
    def has_improved(self) -> bool:
        """Whether early stopping has found better weights than the initial ones, or these have no known score."""
        return bool(self.estimator.best_validation_score_ > self.best_before or math.isinf(self.best_before))

    def _improved_loss(self) -> bool:
        """Return whether the loss has fallen by at least ``tol``; the best loss is updated either way."""
        estimator = self.estimator
        improved = self.stopping.improves(estimator.loss_, estimator.best_loss_)
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        return improved

    def _improved_score(self, run: Run, parameters: Parameters) -> bool:
        """Return whether the validation score has risen by at least ``tol``; the best weights are kept either way."""
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
        """Return whether to stop; the schedule "adaptive" first divides the learning rate until it is too small."""
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
