"""`TabularClassifier` and `TabularRegressor`: their targets and predictions; `fit` is in `tabular_fitting`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from xpmlp.data.objects import is_missing, labels_of_objects
from xpmlp.data.tables import Frame, as_frame
from xpmlp.estimator.parameters import parameter
from xpmlp.estimator.saving import encoded
from xpmlp.estimator.tables import as_value_errors
from xpmlp.estimator.tabular_fitting import FittingTabular
from xpmlp.storage import SavedNetwork
from xpmlp.training.decision import Decision, decided_by, saved_decision
from xpmlp.training.table_prediction import interval_ends


@dataclass(eq=False, repr=False)
class TabularClassifier(ClassifierMixin, FittingTabular):
    """Classify the rows of a table with columns of any kind, by the recipe for tables.

    Parameters
    ----------
    recipe : str, optional
        A config file, instead of ``xpmlp:table.toml``.
    members : int
        The number of networks that are trained with different seeds and vote; with folds, for each fold.
    folds : int, optional
        The number of parts of the rows that the vote's members leave out in turn and are judged by.  By default the
        recipe's, fewer for few rows, none if ``fit`` gets an ``eval_set``.
    metric : str, optional
        The decisive metric, as a config's ``train.metric``: "log_loss" (by default), "error" or "auc"; for values
        "rmse" (by default) or "mae".
    max_seconds : float, optional
        The time limit of `fit`, which trains only as many of the recipe's epochs as fit into it; ``None`` for no
        limit.  A fit that is cut short depends on the speed of the machine.
    random_state : int, RandomState instance or None
    backend, device, dtype : str, optional
        Where and in which precision to compute; by default the recipe's.
    settings : dict, optional
        Values of config keys that override the recipe's, as ``{"train.epochs": 100}``.
    threshold : float, "balanced" or dict, optional
        How `predict` chooses a class, as a config's ``model.threshold``: the second of two classes if its probability
        exceeds a number; by probabilities divided by the classes' shares of the rows ("balanced"); or by the cost of
        mistakes, ``{"ill": 20}``.  By default the most probable class.  It can be changed after `fit`, except to
        "balanced".

    Attributes
    ----------
    classes_ : (n_classes,)
    encoder_ : TableEncoder
        The encoder; ``print(classifier.encoder_.schema_)`` shows the kinds of the columns.
    network_ : SavedNetwork
        The network, or the vote of several members.
    oof_prediction_ : (n, n_classes)
        With folds, including the recipe's: the probabilities of each row of ``fit`` by the members not trained on it,
        which are as good as those of new rows.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from xpmlp import TabularClassifier
    >>> table = {"size": ["S", "L", "M", "L"] * 5, "kg": [1.0, 4.0, None, 5.0] * 5}
    >>> model = TabularClassifier(random_state=0, settings={"train.epochs": 1, "backend.fused": False})
    >>> model.fit(table, ["light", "heavy", "light", "heavy"] * 5).predict_proba(table).shape
    (20, 2)
    """

    threshold: float | str | Mapping[Any, Any] | None = parameter(
        None, Interval(Real, 0, 1, closed="neither"), StrOptions({"balanced"}), dict, None
    )

    _task = "classes"

    @property
    def _asked(self) -> dict[str, Any]:
        return {**super()._asked, "model.threshold": self.threshold}

    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        labels, self._fitted_threshold = _labels(y, frame.data.height), self.threshold
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: all targets are {self.classes_.tolist()[0]!r}"
            )
        return indices.astype(np.int64)

    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        labels = _labels(y, frame.data.height)
        places = {label: place for place, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in labels.tolist() if label not in places]
        if unknown:
            known = ", ".join(map(repr, list(places)[:8])) + ", ..." * (len(places) > 8)
            raise ValueError(
                f"eval_set has a label that the training rows have not: {unknown[0]!r}; their classes are {known}"
            )
        return np.asarray([places[label] for label in labels.tolist()], dtype=np.int64)

    @property
    def _known_classes(self) -> npt.NDArray[Any]:
        plain = self.classes_.dtype.kind in "biufU"
        return self.classes_ if plain else np.asarray([str(label) for label in self.classes_])

    def _shaped(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict the probabilities of the classes, (n, n_classes)."""
        return self._predicted(X)

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict the logarithms of the classes' probabilities, (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the class of each row, (n,): the most probable one, or the one chosen by ``threshold``."""
        probabilities = self.predict_proba(X)
        decision = saved_decision(self._decided_network()) or Decision()
        chosen: npt.NDArray[Any] = self.classes_[decision.choose(probabilities)]
        return chosen

    def _decided_network(self) -> SavedNetwork:
        if self.threshold == self._fitted_threshold:
            return self.network_
        with as_value_errors():
            return decided_by(self.network_, "none" if self.threshold is None else self.threshold)

    def _facts(self) -> dict[str, Any]:
        plain = self.classes_.astype(np.int64) if self.classes_.dtype.kind in "mM" else self.classes_
        classes = encoded("classes_", plain)
        return {**super()._facts(), "classes": classes, "classes_dtype": self.classes_.dtype.str}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.classes_ = np.asarray(facts["classes"], dtype=facts.get("classes_dtype"))
        self._fitted_threshold = self.threshold


@dataclass(eq=False, repr=False)
class TabularRegressor(RegressorMixin, FittingTabular):
    """Predict values for the rows of a table with columns of any kind, by the recipe for tables.

    The parameters are those of `TabularClassifier`, except ``threshold``; the recipe is ``xpmlp:table-values.toml``.
    Targets are scaled for training, and predictions are returned in their original scale.

    Attributes
    ----------
    encoder_, network_, n_features_in_, feature_names_in_
        As for `TabularClassifier`.
    oof_prediction_ : (n,) or (n, n_targets)
        As for `TabularClassifier`, but values.

    Examples
    --------
    >>> from xpmlp import TabularRegressor
    >>> table = {"size": ["S", "L", "M", "L"] * 5, "kg": [1.0, 4.0, None, 5.0] * 5}
    >>> model = TabularRegressor(random_state=0, settings={"train.epochs": 1, "backend.fused": False})
    >>> model.fit(table, [10.0, 40.0, 20.0, 50.0] * 5).predict(table).shape
    (20,)
    """

    _task = "values"

    def _targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        values = _values(y, frame.data.height)
        self._flat = values.ndim == 1
        return values.reshape(len(values), -1)

    def _known_targets(self, y: Any, frame: Frame) -> npt.NDArray[Any]:
        return _values(y, frame.data.height).reshape(frame.data.height, -1)

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict the values of each row, (n,) or (n, n_targets)."""
        return self._predicted(X)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> npt.NDArray[np.float64]:
        """Predict intervals that cover a share of the values, from the residuals of rows not used to train the members.

        The intervals are conformal (see `xpmlp.training.intervals`), and their width may depend on the prediction.

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


def _refuse_gaps(y: Any) -> None:
    """Refuse a target that is not given, or that has masked values, whose mask no conversion keeps."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if np.ma.is_masked(y):
        raise ValueError("Input y contains masked values, which are missing.")


def _labels(y: Any, rows: int) -> npt.NDArray[Any]:
    """Convert labels of any library to an array (n,), categories to their values; none may be missing."""
    _refuse_gaps(y)
    labels: npt.NDArray[Any] = column_or_1d(np.asarray(y), warn=isinstance(y, np.ndarray | list | tuple))
    if labels.dtype.kind in "OT":
        given = labels.tolist()
        if any(map(is_missing, given)):
            raise ValueError("Input y contains NaN.")
        are_texts = all(isinstance(label, str) for label in given)
        labels = np.asarray(given, dtype=np.str_) if are_texts else labels_of_objects(given, "y")
    check_consistent_length(range(rows), labels)
    if labels.dtype.kind in "fmM" and not np.isfinite(labels).all():
        raise ValueError("Input y contains infinity or NaN.")
    check_classification_targets(labels)
    return labels


def _values(y: Any, rows: int) -> npt.NDArray[np.float64]:
    """Convert values to an array (n,) or (n, n_targets); all must be finite."""
    _refuse_gaps(y)
    if hasattr(y, "columns"):
        y = np.stack([np.asarray(column.to_list(), object) for column in as_frame(y, "y").data.get_columns()], axis=1)
    values = np.asarray(y)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported.")
    if values.dtype.kind in "mM":
        raise ValueError("y has times, and numbers are needed: give it in seconds or days, as y.dt.total_seconds()")
    if values.dtype.kind == "O" and any(map(is_missing, values.ravel())):
        raise ValueError("Input y contains NaN or infinity.")
    try:
        values = values.astype(np.float64)
    except (OverflowError, TypeError, ValueError):
        raise ValueError("y has values that are no numbers; for labels there is TabularClassifier") from None
    if values.ndim not in (1, 2) or values.shape[1:] == (0,):
        raise ValueError(f"y has the shape {values.shape}; (n,) or (n, n_targets) is needed")
    check_consistent_length(range(rows), values)
    if not np.isfinite(values).all():
        raise ValueError("Input y contains NaN or infinity.")
    return values
