"""Fitting of an estimator's weights, by the training loop or by L-BFGS, with scikit-learn's warnings and errors."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from xpmlp._interrupt import stop_on_interrupt
from xpmlp._streams import SafeStream
from xpmlp._typing import Parameters
from xpmlp.backend import Backend
from xpmlp.estimator.lbfgs import fit_lbfgs
from xpmlp.estimator.places import moved
from xpmlp.estimator.policy import Continuation, EstimatorPolicy
from xpmlp.estimator.samples import Samples
from xpmlp.estimator.trainable import EstimatorTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import EpochRow, Progress, Reporter, RunSettings, Status

DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)

_NOT_THE_USER = ("xpmlp", "sklearn", "contextlib")
"""Packages to skip in the call stack, so that a warning names the user's own line."""


def fit_by_epochs(
    estimator: Any,
    backend: Backend,
    samples: Samples,
    random: np.random.RandomState,
    validation: Samples | None,
    *,
    incremental: bool,
) -> Parameters:
    """Train an estimator's weights by the training loop.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With initial weights; its fitted attributes are kept up to date, except for the weights.
    backend : Backend
        In its session.
    samples : Samples
    random : numpy.random.RandomState
        For the choice of held-out examples and the orders of the others.
    validation : Samples, optional
        The validation data given by the user.
    incremental : bool
        Whether this is `partial_fit`: one epoch, and no warning about convergence.

    Returns
    -------
    parameters : list of DenseParameters

    Raises
    ------
    ValueError
        If the loss or a weight stops being finite, and early stopping has kept no earlier weights.
    """
    memory: Continuation = replace(getattr(estimator, "_memory", Continuation()))  # none if a user has set the weights
    rows, watched = np.arange(len(samples)), None
    if estimator.early_stopping and validation is None:
        rows, held = _split(estimator, samples.targets, random)
        watched = samples.take(backend, held)
    elif estimator.early_stopping:
        watched = validation
    epochs, batch_size = 1 if incremental else int(estimator.max_iter), _batch_size(estimator, len(rows))
    trainable = EstimatorTrainable(estimator, backend, samples, rows, validation, epochs, batch_size)

    def score(parameters: Parameters) -> float:
        assert watched is not None
        raw = backend.to_numpy(trainable.inference.outputs(parameters, watched.features))
        if not np.isfinite(raw).all():
            return math.nan
        return float(estimator._score_of(raw, watched.given, watched.weights))

    if any(trainable.network.dropout) and memory.seed is None:
        memory.seed = int(random.randint(2**31))
    policy = EstimatorPolicy(trainable, memory, random, None if watched is None else score)
    settings = RunSettings(
        memory.seed or 0, float(estimator.learning_rate_init), float(estimator.alpha), float(estimator.momentum)
    )
    estimator.n_iter_ = 0
    with stop_on_interrupt(quiet=True) as stop, _progress_bar(shown=bool(estimator.verbose)) as reporter:
        (run,) = train_block(trainable, [settings], reporter, stop.requested, policy)
    if run.status is Status.DIVERGED:
        where = f"The loss or a weight stopped being finite in epoch {len(run.epochs) + 1}."
        if watched is None or math.isinf(estimator.best_validation_score_):
            raise ValueError(f"{DIVERGED} {where}")
        policy.diverged()
        _warn(
            f"{where} The weights with the best validation score are kept. Scale the input data or lower "
            "learning_rate_init to train further.",
            ConvergenceWarning,
        )
    elif watched is not None and run.epochs and math.isinf(estimator.best_validation_score_):
        raise ValueError(
            "The validation score after epoch 1 is not a number, nor is any later one: the predictions for the "
            "examples held out are not finite. The input data may contain large values and need to be preprocessed."
        )
    if run.status is Status.INTERRUPTED:
        _warn("Training interrupted by user.")
    elif run.status is Status.FINISHED and not incremental:
        _warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
        )
    if watched is not None or run.status is Status.INTERRUPTED:
        memory.state = None  # it does not belong to the weights kept
    estimator._memory = memory
    if watched is not None and not policy.has_improved:  # a warm start that found nothing better
        return moved(trainable.initial, backend)
    return run.parameters


def fit_at_once(estimator: Any, backend: Backend, samples: Samples, validation: Samples | None) -> Parameters:
    """Train an estimator's weights by L-BFGS; parameters as for `fit_by_epochs`.

    Raises
    ------
    ValueError
        If the weights are not finite, or dropout, callbacks or validation data are given, which need epochs.
    """
    asked = {
        "dropout": any(estimator._network().dropout),
        "callbacks": bool(estimator.callbacks),
        "validation_data": validation is not None,
    }
    for name in (name for name, value in asked.items() if value):
        raise ValueError(f"{name} is for solver='sgd' and solver='adam': solver='lbfgs' has no epochs.")
    parameters = fit_lbfgs(EstimatorTrainable(estimator, backend, samples, np.arange(len(samples))))
    if not all(np.isfinite(leaf).all() for layer in parameters for leaf in layer):
        raise ValueError(DIVERGED)
    return backend.parameters(parameters)


def _split(
    estimator: Any, targets: npt.NDArray[Any], random: np.random.RandomState
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split the examples into those to train on and those to watch, as scikit-learn does."""
    stratify = targets.astype(bool) if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    kept, held = train_test_split(
        np.arange(len(targets)), random_state=random, test_size=estimator.validation_fraction, stratify=stratify
    )
    if len(held) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return kept, held


def _batch_size(estimator: Any, n_examples: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, n_examples)
    if estimator.batch_size > n_examples:
        _warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(estimator.batch_size), n_examples)


def _warn(sentence: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's own line."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USER:
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, category, stacklevel=level)


@contextmanager
def _progress_bar(*, shown: bool) -> Iterator[Reporter]:
    """Give a reporter that draws a bar on standard error, if that is a terminal and ``shown`` is true."""
    if not shown:
        yield Reporter()
        return
    with _Tqdm(unit=" examples", unit_scale=True, leave=False, disable=None, file=SafeStream(sys.stderr)) as bar:
        yield _Bar(bar)


class _Tqdm(tqdm):
    """A bar without tqdm's monitor thread, which would stay in the process."""

    monitor_interval = 0


class _Bar(Reporter):
    """A reporter that draws one bar for an epoch's steps."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def segment(self, progress: Progress) -> None:
        self.bar.set_description(f"epoch {progress.epoch}/{progress.epochs}", refresh=False)
        self.bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
        self.bar.update(progress.examples)

    def epoch(self, run: int, row: EpochRow) -> None:
        self.bar.refresh()
