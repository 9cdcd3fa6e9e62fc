"""Fitting by stochastic gradients: what scikit-learn's parameters mean to the training loop."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from xpmlp._typing import Parameters
from xpmlp.backend import Backend
from xpmlp.config import TrainConfig
from xpmlp.estimator.course import EstimatorCourse, Memory
from xpmlp.estimator.inputs import TrainingInput
from xpmlp.estimator.places import placed
from xpmlp.estimator.task import EstimatorTask, OptimizerChoice, is_sparse, predictions, segment_steps
from xpmlp.training.loop import train_block
from xpmlp.training.reporter import Reporter
from xpmlp.training.run import RunSettings, Status


def fit_stochastic(
    estimator: Any,
    backend: Backend,
    given: TrainingInput,
    targets: npt.NDArray[Any],
    random: np.random.RandomState,
    *,
    incremental: bool,
) -> None:
    """Train an estimator's weights, for one epoch or up to ``max_iter``.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With weights to begin with.
    backend : Backend
        Where to compute.
    given : TrainingInput
    targets : (n,) or (n, n_outputs)
        Encoded.
    random : numpy.random.RandomState
        For the examples that are held out and for the orders of the others.
    incremental : bool
        Whether this is `partial_fit`: one epoch, and no word about convergence.

    Raises
    ------
    ValueError
        If the loss or a weight stops being finite, or there are too few examples to hold some out.
    """
    features = given.features if is_sparse(given.features) else placed(given.features, backend)
    rows, held_out = _split(estimator, targets, random)
    batch_size = _batch_size(estimator, len(rows))
    memory: Memory = replace(estimator._memory)
    task = EstimatorTask(
        backend,
        TrainConfig(
            epochs=1 if incremental else int(estimator.max_iter),
            batch_size=batch_size,
            segment_steps=segment_steps(features, batch_size),
        ),
        estimator._network(),
        _choice(estimator),
        features,
        targets,
        given.weights,
        rows,
        estimator._parameters(),
        estimator.n_outputs_,
        None,
        1 / estimator.n_outputs_ if estimator._loss_name == "squared" else 1.0,
    )

    def score(parameters: Parameters) -> float:
        raw = predictions(task.inference, parameters, _rows_of(features, held_out, backend))
        weights = None if given.weights is None else given.weights[held_out]
        return float(estimator._score_of(backend.to_numpy(raw), given.targets[held_out], weights))

    def show(parameters: Parameters) -> None:
        estimator._keep(backend.copy(parameters), given.residence, backend.dtype_name)

    course = EstimatorCourse(task, estimator, memory, random, None if held_out is None else score, show)
    estimator.n_iter_ = 0
    settings = RunSettings(0, float(estimator.learning_rate_init), float(estimator.alpha), float(estimator.momentum))
    with backend.session(batch_size):
        (run,) = train_block(task, [settings], Reporter(), lambda: False, course)
        if run.status is Status.DIVERGED:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                f"preprocessed. (The loss or a weight stopped being finite in epoch {len(run.epochs) + 1}.)"
            )
        estimator._keep(run.parameters, given.residence, backend.dtype_name)
    if held_out is not None:
        memory.state = None  # the weights kept are the best, not those that it belongs to
    estimator._memory = memory
    if run.status is Status.FINISHED and not incremental:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
            stacklevel=5,
        )


def _split(
    estimator: Any, targets: npt.NDArray[Any], random: np.random.RandomState
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """Which examples to train on, and which early stopping holds out."""
    rows = np.arange(len(targets))
    if not estimator.early_stopping:
        return rows, None
    stratify = targets if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    kept, held_out = train_test_split(
        rows, random_state=random, test_size=estimator.validation_fraction, stratify=stratify
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return kept, held_out


def _batch_size(estimator: Any, n_examples: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, n_examples)
    if estimator.batch_size > n_examples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=6
        )
    return min(int(estimator.batch_size), n_examples)


def _choice(estimator: Any) -> OptimizerChoice:
    if estimator.solver == "adam":
        return OptimizerChoice("adam", float(estimator.beta_1), float(estimator.beta_2), float(estimator.epsilon))
    if estimator.momentum == 0:
        return OptimizerChoice("sgd")
    return OptimizerChoice("nesterov" if estimator.nesterovs_momentum else "momentum")


def _rows_of(features: Any, rows: Any, backend: Backend) -> Any:
    """Some of the examples' features."""
    if is_sparse(features):
        return features[rows]
    return backend.xp.take(features, backend.asarray(rows.astype(backend.index_dtype_name)), axis=0)
