"""Fitting of an estimator for tables: the split into training and validation rows, their encoding, and the training."""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from xpmlp.config import Config
from xpmlp.data import Dataset, Part, Preprocessing
from xpmlp.data.tables import Encoded, Frame, TableModel, fit_encoded, infer_schema
from xpmlp.data.tables.splitting import hold_out, rows_to_validate
from xpmlp.data.tables.targets import Targets, fit_target
from xpmlp.errors import DataError
from xpmlp.estimator.fitted_tabular import FittedTabular
from xpmlp.estimator.places import unchanged_on_error
from xpmlp.estimator.table_encoder import told_types
from xpmlp.estimator.tables import as_value_errors, given_frame
from xpmlp.storage import SavedNetwork
from xpmlp.training import Reporter, Result, train
from xpmlp.training.arrays import GivenExamples
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.record import saved_network
from xpmlp.training.vote import with_folds_for

LARGEST_SEED = 2**32 - 2**17
"""Bound on seeds, to leave room for those of a vote's members, which follow."""


class FittingTabular(FittedTabular):
    """Fitting, the common base of `TabularClassifier` and `TabularRegressor`."""

    @abstractmethod
    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        """Convert targets for the network: class indices (n,), or values (n, n_targets), not yet scaled."""

    @unchanged_on_error
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: GivenExamples | Sequence[GivenExamples] | None = None,
        categorical_features: str | Sequence[str | int | bool] | None = None,
    ) -> Self:
        """Infer the kinds of the columns, encode them, and train.

        Parameters
        ----------
        X : data frame or array (n, n_columns)
            Columns of any kind, with missing values; of pandas, polars, pyarrow or any library supported by narwhals.
        y : (n,), or (n, n_targets) for values
        sample_weight : (n,), optional
            Numbers of at least 0, not all 0.
        eval_set : (X, y) or a list of one, optional
            The rows that decide when the network is best; by default the folds, or without folds rows held out.
        categorical_features : str, or sequence of str, int or bool, optional
            Columns to treat as categories regardless of their values: names, positions, or a truth value for each.

        Raises
        ------
        ValueError
            If ``X`` is not a table, ``y`` is unusable, their lengths differ, or another argument is not as described.
        """
        self._validate_params()
        frame = given_frame(self, X, reset=True)
        with as_value_errors():
            targets = self._targets(y, frame)
            weights = None if sample_weight is None else _check_sample_weight(sample_weight, targets)
            if weights is not None and (weights < 0).any():
                raise ValueError("Negative values in data passed to `sample_weight`.")
            if weights is not None and not weights.any():
                raise ValueError("Sample weights must contain at least one non-zero number.")
            if weights is not None and not 0 < _sum(weights, np.float32) < np.inf:
                total = _sum(weights, np.float64)
                raise ValueError(f"sample_weight sums to {total:g}, beyond float32: multiply all by a constant")
            given = None if eval_set is None else self._given(eval_set, targets)
            config = self._config(_seed(self.random_state))
            if given is not None and self.folds is not None:
                raise ValueError("eval_set and folds both say which rows judge the networks: give one of them")
            if given is not None:  # instead of the folds of the recipe
                config = config.replaced(train={"folds": None})
            if self.folds is None:
                config = with_folds_for(config, len(targets))
            types = told_types(None, categorical_features, frame.data.columns)
            ends = None if self.max_seconds is None else time.monotonic() + self.max_seconds
            kept, held = self._parts(targets, config, given is not None)
            dataset = self._dataset(frame, targets, weights, kept, held, given, types)
            self.network_, out_of_fold = _trained(config, dataset, ends)
            if out_of_fold is not None:
                assert dataset.table is not None
                self.oof_prediction_ = self._shaped(dataset.table.target.unscaled(out_of_fold))
            elif hasattr(self, "oof_prediction_"):
                del self.oof_prediction_
            self.encoder_ = self._encoder()
            self._predictors = {}
        return self

    def _parts(
        self, targets: npt.NDArray[Any], config: Config, given: bool
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Split the rows into those to train on and those that decide when the network is best."""
        rows, seed = np.arange(len(targets)), config.train.seed
        if given or config.train.folds:  # each member is judged by the fold it leaves out
            return rows, rows[:0]
        size = rows_to_validate(len(rows))
        try:
            return hold_out(rows, size / max(len(rows), 1), seed=seed, classes=targets if targets.ndim == 1 else None)
        except DataError:
            return rows, rows[:0]

    def _dataset(
        self,
        frame: Frame,
        targets: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        kept: npt.NDArray[np.intp],
        held: npt.NDArray[np.intp],
        given: tuple[Frame, npt.NDArray[Any]] | None,
        types: Mapping[str, str],
    ) -> Dataset:
        train_frame = Frame(frame.data[kept], frame.orders)
        schema = infer_schema(train_frame, types=types)
        task: Literal["values", "classes"] = "values" if targets.ndim == 2 else "classes"
        names = tuple(f"y{place + 1}" for place in range(targets.shape[1])) if task == "values" else ()
        found = Targets(task, "", targets, np.ones(len(targets), np.bool_))
        target = fit_target(names or ("y",), found, kept, log=False, scale=True)
        shaped = target.scaled(targets) if names else targets
        encoding, of_training = fit_encoded(train_frame, schema, shaped[kept])
        model = TableModel(encoding=encoding, target=target)

        def part(encoded: Encoded, wanted: npt.NDArray[Any], weight: npt.NDArray[Any] | None) -> Part:
            numbers = encoded.numbers if encoded.numbers.shape[1] else np.zeros((len(wanted), 1), np.float32)
            return Part(numbers, wanted, weight, encoded.codes if encoded.codes.shape[1] else None)

        validation = None
        if given is not None:
            validation = part(encoding.encode(given[0], what="X"), target.scaled(given[1]) if names else given[1], None)
        elif len(held):
            rest = encoding.encode(Frame(frame.data[held], frame.orders), what="X")
            validation = part(rest, shaped[held], None if weights is None else weights[held])
            if weights is not None and not weights[held].any():
                validation = None
        return Dataset(
            name="arrays",
            train=part(of_training, shaped[kept], None if weights is None else weights[kept]),
            validation=validation,
            test=None,
            classes=self._known_classes,
            preprocessing=Preprocessing(),
            image_shape=None,
            feature_names=encoding.number_names or ("none",),
            hashes={},
            target_names=names,
            code_counts=encoding.code_counts,
            table=model,
        )

    @property
    def _known_classes(self) -> npt.NDArray[Any]:
        """The classes' labels as saved with the network; none for values."""
        return np.arange(0)

    def _given(
        self, eval_set: GivenExamples | Sequence[GivenExamples], targets: npt.NDArray[Any]
    ) -> tuple[Frame, npt.NDArray[Any]]:
        """Unpack the rows of ``eval_set``, also from a list of one pair as for LightGBM."""
        pair: Any = eval_set
        if isinstance(pair, list) and len(pair) != 1:
            raise ValueError(f"eval_set has {len(pair)} pairs (X, y); one decides when the network is best")
        pair = pair[0] if isinstance(pair, list | tuple) and len(pair) == 1 else pair
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("eval_set is no pair (X, y), and no list of one")
        frame = given_frame(self, pair[0], reset=False)
        known = self._known_targets(pair[1], frame)
        if known.shape[1:] != targets.shape[1:]:
            raise ValueError(f"eval_set has {known.shape[1]} targets, and y has {targets.shape[1]}")
        return frame, known

    @abstractmethod
    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        """Convert the targets of validation rows in the same way as `_targets`."""


def _trained(
    config: Config, dataset: Dataset, ends: float | None
) -> tuple[SavedNetwork, npt.NDArray[np.float64] | None]:
    """Train a network or a vote; return it on the host, and with folds the out-of-fold predictions."""
    if ends is not None:
        config = config.replaced(train={"max_seconds": max(ends - time.monotonic(), 1e-3)})
    if dataset.validation is None and not config.train.folds:
        config = config.replaced(train={"patience": None, "best_by": "loss", "calibrate": False})

    def is_over() -> bool:
        return ends is not None and time.monotonic() > ends

    result: Result = train(config, data=dataset, reporter=_Warning(), should_stop=is_over)
    trainable = ConfigTrainable(config, dataset, result.backend)
    saved = saved_network(trainable, result.run, result.sections)._replace(network=result.network)
    return saved, result.out_of_fold


class _Warning(Reporter):
    """A reporter that passes warnings on as scikit-learn's."""

    def warning(self, text: str) -> None:
        """Issue a `ConvergenceWarning`."""
        warnings.warn(text, ConvergenceWarning, stacklevel=4)


def _sum(weights: npt.NDArray[np.float64], dtype: type[np.floating[Any]]) -> float:
    with np.errstate(over="ignore"):
        return float(weights.sum(dtype=dtype))


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state) % LARGEST_SEED
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
