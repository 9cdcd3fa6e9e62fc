"""Estimators for tables as people have them: `TabularClassifier` and `TabularRegressor`."""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from xpmlp.config import Config
from xpmlp.data import Dataset, Part, Preprocessing
from xpmlp.data.tables import Encoded, Frame, TableModel, as_frame, as_series, fit_encoded, infer_schema
from xpmlp.data.tables.splitting import hold_out, rows_to_validate
from xpmlp.data.tables.targets import Targets, fit_target
from xpmlp.errors import DataError
from xpmlp.estimator.fitted_tabular import FittedTabular
from xpmlp.estimator.table_encoder import told_types
from xpmlp.estimator.tables import as_value_errors, given_frame
from xpmlp.estimator.tabular_parameters import metric_of
from xpmlp.storage import SavedNetwork
from xpmlp.training import Reporter, Result, train
from xpmlp.training.arrays import GivenExamples
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.decision import Decision, saved_decision
from xpmlp.training.record import saved_network
from xpmlp.training.table_prediction import interval_ends
from xpmlp.training.vote import with_folds_for

LARGEST_SEED = 2**32 - 2**17
"""Seeds below it leave room for those of a vote's members, which follow them."""


class _Tabular(FittedTabular):
    """Common base of the classifier and the regressor: fitting."""

    @abstractmethod
    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        """Targets as the network learns them: class indices (n,), or values (n, n_targets) that are not yet scaled."""

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: GivenExamples | Sequence[GivenExamples] | None = None,
        categorical_features: Sequence[str | int] | None = None,
    ) -> Self:
        """Find out the kinds of the columns, encode them, and train.

        Parameters
        ----------
        X : data frame or array (n, n_columns)
            Columns of any kind, with missing values; of pandas, polars, pyarrow or whatever narwhals knows.
        y : (n,), or (n, n_targets) for values
        sample_weight : (n,), optional
        eval_set : (X, y) or a list of one, optional
            The rows that decide when the network is best; by default a part of the others, which is held out.
        categorical_features : sequence of str or int, optional
            Columns that are categories whatever they look like.

        Raises
        ------
        ValueError
            If ``X`` is no table, ``y`` is of no use, or their lengths differ.
        """
        self._validate_params()
        frame = given_frame(self, X, reset=True)
        with as_value_errors():
            targets = self._targets(y, frame)
            weights = None if sample_weight is None else _check_sample_weight(sample_weight, targets)
            if weights is not None and not weights.any():
                raise ValueError("Sample weights must contain at least one non-zero number.")
            given = None if eval_set is None else self._given(eval_set)
            config = self._config(_seed(self.random_state))
            if given is not None and self.folds is not None:
                raise ValueError("eval_set and folds both say which rows judge the networks: give one of them")
            if given is not None:  # instead of the folds of the recipe
                config = _with(config, folds=None)
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
        """The rows to train on, and those that decide when the network is best."""
        rows, seed = np.arange(len(targets)), config.train.seed
        if given or config.train.folds:  # of which each member is judged by the one that it leaves out
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
        """The labels of the classes, as they are saved with the network; none of values."""
        return np.arange(0)

    def _given(self, eval_set: GivenExamples | Sequence[GivenExamples]) -> tuple[Frame, npt.NDArray[Any]]:
        """The rows of ``eval_set``, of which LightGBM has a list."""
        pair: Any = eval_set
        if isinstance(pair, list) and len(pair) != 1:
            raise ValueError(f"eval_set has {len(pair)} pairs (X, y); one decides when the network is best")
        pair = pair[0] if isinstance(pair, list | tuple) and len(pair) == 1 else pair
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("eval_set is no pair (X, y), and no list of one")
        frame = given_frame(self, pair[0], reset=False)
        return frame, self._known_targets(pair[1], frame)

    @abstractmethod
    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        """Targets of rows to judge by, as `_targets` has them."""


class TabularClassifier(ClassifierMixin, _Tabular):
    """Classify the rows of a table with columns of any kind, by the recipe for tables.

    Parameters
    ----------
    recipe : str, optional
        A config file, instead of ``xpmlp:table.toml``.
    members : int
        Networks that are trained with different seeds, and vote; with folds, this many for each fold.
    folds : int, optional
        Parts of the rows that members of the vote leave out in turn, and are judged by.  By default the recipe's,
        unless ``fit`` gets an ``eval_set`` or very few rows.
    metric : str, optional
        The figure that counts, as ``train.metric`` of a config: "log_loss" (by default), "error" or "auc"; for values
        "rmse" (by default) or "mae".
    max_seconds : float, optional
        Time after which training ends with what there is.
    random_state : int, RandomState instance or None
    backend, device, dtype : str, optional
        Where to compute, and how precisely; by default the recipe's.
    settings : dict, optional
        Keys of a config with other values than the recipe's, ``{"train.epochs": 100}``.
    threshold : float, "balanced" or dict, optional
        How `predict` chooses a class, as ``model.threshold`` of a config: the second of two classes if its probability
        is above a number; by probabilities over the classes' parts of the rows; by what mistakes cost,
        ``{"ill": 20}``.  By default the most probable class.

    Attributes
    ----------
    classes_ : (n_classes,)
    encoder_ : TableEncoder
        How the columns were taken, ``print(classifier.encoder_.schema_)``.
    network_ : SavedNetwork
        The network, of several members their vote.
    oof_prediction_ : (n, n_classes)
        With folds, those of the recipe included: for each row of ``fit`` the probabilities by the members that have not
        learned from it, so that they are as good as those of new rows.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from xpmlp import TabularClassifier
    >>> table = {"size": ["S", "L", "M", "L"] * 5, "kg": [1.0, 4.0, None, 5.0] * 5}
    >>> model = TabularClassifier(random_state=0, settings={"train.epochs": 1, "backend.fused": False})
    >>> model.fit(table, ["light", "heavy", "light", "heavy"] * 5).predict_proba(table).shape
    (20, 2)
    """

    _task = "classes"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_Tabular._parameter_constraints,
        **metric_of("classes"),
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"balanced"}), dict, None],
    }
    classes_: npt.NDArray[Any]

    def __init__(
        self,
        *,
        recipe: str | None = None,
        members: int = 1,
        folds: int | None = None,
        metric: str | None = None,
        max_seconds: float | None = None,
        random_state: Any = None,
        backend: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        settings: Mapping[str, Any] | None = None,
        threshold: float | str | Mapping[Any, Any] | None = None,
    ) -> None:
        super().__init__(
            recipe=recipe,
            members=members,
            folds=folds,
            metric=metric,
            max_seconds=max_seconds,
            random_state=random_state,
            backend=backend,
            device=device,
            dtype=dtype,
            settings=settings,
        )
        self.threshold = threshold

    @property
    def _asked(self) -> dict[str, Any]:
        return {**super()._asked, "model.threshold": self.threshold}

    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        labels = _labels(y, frame.data.height)
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: all targets are {self.classes_.tolist()[0]!r}"
            )
        return indices.astype(np.int64)

    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        labels = _labels(y, frame.data.height)
        places = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if (self.classes_[places] != labels).any():
            raise ValueError("eval_set has a label that the training rows have not")
        return places.astype(np.int64)

    @property
    def _known_classes(self) -> npt.NDArray[Any]:
        plain = self.classes_.dtype.kind in "biufU"
        return self.classes_ if plain else np.asarray([str(label) for label in self.classes_])

    def _shaped(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of the classes, (n, n_classes)."""
        return self._predicted(X)

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Logarithms of the probabilities of the classes, (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of each row, (n,): the most probable one, or what ``threshold`` makes of the probabilities."""
        probabilities = self.predict_proba(X)
        chosen: npt.NDArray[Any] = self.classes_[(saved_decision(self.network_) or Decision()).choose(probabilities)]
        return chosen

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "classes": self.classes_.tolist()}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.classes_ = np.asarray(facts["classes"])


class TabularRegressor(RegressorMixin, _Tabular):
    """Predict values for the rows of a table with columns of any kind, by the recipe for tables.

    The parameters are those of `TabularClassifier`; the recipe is ``xpmlp:table-values.toml``.  Targets are scaled, and
    predictions have the scale of the targets again.

    Attributes
    ----------
    encoder_, network_, n_features_in_, feature_names_in_
        As of `TabularClassifier`.
    oof_prediction_ : (n,) or (n, n_targets)
        As of `TabularClassifier`, of values.

    Examples
    --------
    >>> from xpmlp import TabularRegressor
    >>> table = {"size": ["S", "L", "M", "L"] * 5, "kg": [1.0, 4.0, None, 5.0] * 5}
    >>> model = TabularRegressor(random_state=0, settings={"train.epochs": 1, "backend.fused": False})
    >>> model.fit(table, [10.0, 40.0, 20.0, 50.0] * 5).predict(table).shape
    (20,)
    """

    _task = "values"
    _parameter_constraints: ClassVar[dict[str, Any]] = {**_Tabular._parameter_constraints, **metric_of("values")}
    _flat: bool

    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        values = _values(y, frame.data.height)
        self._flat = values.ndim == 1
        return values.reshape(len(values), -1)

    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        return _values(y, frame.data.height).reshape(frame.data.height, -1)

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """The values of each row, (n,) or (n, n_targets)."""
        return self._predicted(X)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> npt.NDArray[np.float64]:
        """Intervals that cover a part of the values, by the residuals of rows that members have not learned from.

        Conformal intervals (see `xpmlp.training.intervals`), as wide as predictions of their size deserve.

        Parameters
        ----------
        X : data frame or array (n, n_columns)
        coverage : float
            Between 0 and 1.

        Returns
        -------
        ends : (n, 2) or (n, n_targets, 2)
            The lower and the upper end of each interval.

        Raises
        ------
        ValueError
            If ``fit`` had too few rows for this coverage.
        """
        values = self._predicted(X)
        with as_value_errors():
            ends = interval_ends(self.network_, values.reshape(len(values), -1), coverage)
        return np.stack([end.reshape(values.shape) for end in ends], axis=-1)

    def _shaped(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return outputs[:, 0] if self._flat else outputs

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "flat": self._flat}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self._flat = bool(facts["flat"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _trained(
    config: Config, dataset: Dataset, ends: float | None
) -> tuple[SavedNetwork, npt.NDArray[np.float64] | None]:
    """Train a network or a vote, bring it to the host, and give with folds the predictions by those left out."""
    if ends is not None:
        config = _with(config, max_seconds=max(ends - time.monotonic(), 1e-3))
    if dataset.validation is None and not config.train.folds:
        config = _with(config, patience=None, best_by="loss", calibrate=False)

    def is_over() -> bool:
        return ends is not None and time.monotonic() > ends

    result: Result = train(config, data=dataset, reporter=_Warning(), should_stop=is_over)
    trainable = ConfigTrainable(config, dataset, result.backend)
    saved = saved_network(trainable, result.run, result.sections)._replace(network=result.network)
    return saved, result.out_of_fold


class _Warning(Reporter):
    """A listener that passes warnings on as scikit-learn's."""

    def warning(self, text: str) -> None:
        """Warn."""
        warnings.warn(text, ConvergenceWarning, stacklevel=4)


def _with(config: Config, **fields: Any) -> Config:
    """A config with other values in ``[train]``."""
    return config.model_copy(update={"train": config.train.model_copy(update=fields)})


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state) % LARGEST_SEED
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _labels(y: Any, rows: int) -> npt.NDArray[Any]:
    """Labels (n,), none of them missing."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if not isinstance(y, np.ndarray):
        series = as_series(y, "y") if not isinstance(y, list | tuple) else None
        if series is not None:
            if series.null_count() or (series.dtype.is_float() and series.is_nan().any()):
                raise ValueError("Input y contains NaN.")
            y = np.asarray(series.to_list()) if not series.dtype.is_numeric() else series.to_numpy()
    labels: npt.NDArray[Any] = column_or_1d(y, warn=True)
    if labels.dtype.kind == "O":
        if any(label is None or label != label for label in labels):
            raise ValueError("Input y contains NaN.")
        labels = labels.astype(str) if all(isinstance(label, str) for label in labels) else labels
    _check_length(labels, rows)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains infinity or NaN.")
    check_classification_targets(labels)
    return labels


def _values(y: Any, rows: int) -> npt.NDArray[np.float64]:
    """Values (n,) or (n, n_targets), finite."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if hasattr(y, "columns"):
        y = np.stack([column.cast(float).to_numpy() for column in as_frame(y).data.get_columns()], axis=1)
    values = np.asarray(y)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported.")
    if values.dtype.kind in "mM":
        raise ValueError("y has times, and numbers are needed: give it in seconds or days, as y.dt.total_seconds()")
    try:
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("y has values that are no numbers; for labels there is TabularClassifier") from None
    if values.ndim not in (1, 2):
        raise ValueError(f"y has the shape {values.shape}; (n,) or (n, n_targets) is needed")
    _check_length(values, rows)
    if not np.isfinite(values).all():
        raise ValueError("Input y contains NaN or infinity.")
    return values


def _check_length(targets: npt.NDArray[Any], rows: int) -> None:
    if len(targets) != rows:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[rows, len(targets)]}")
