"""`MLPClassifier`: prediction of classes from features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d

from xpmlp._typing import Array
from xpmlp.backend import Backend, residence_of
from xpmlp.estimator.base import BaseMLP
from xpmlp.estimator.inputs import dtype_name
from xpmlp.estimator.parameters import parameter
from xpmlp.estimator.places import backend_at, placed, to_host, unchanged_on_error, with_own_settings
from xpmlp.estimator.samples import Samples
from xpmlp.estimator.targets import Labels


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier, with scikit-learn's interface, on any array library.

    The parameters are those of `sklearn.neural_network.MLPClassifier`, with the same meaning and defaults, and:

    Parameters
    ----------
    activation : str or list of str
        One for all hidden layers, or one for each.
    dropout : float or list of float, default=0.0
        The fraction of each hidden layer's units dropped in training; one for all, or one for each.
    class_weight : dict, "balanced" or None
        The weight of each class, multiplied by ``sample_weight``; 1 for a class not in the table.  "balanced":
        inversely proportional to its frequency, only in `fit`.  For multilabel targets, a list of tables.
    callbacks : list of callables, optional
        Called as ``callback(estimator, row)`` after every epoch, with the estimator as if the training ended there, and
        the epoch's `xpmlp.training.EpochRow`.  The training stops if one returns true.
    backend : {"numpy", "cupy", "torch", "jax"}, optional
        The library to compute with; by default that of the arrays given as ``X``, and NumPy for lists and data frames.
        Results are always returned where ``X`` is.
    device : str, optional
        The device to compute on, by its library's name for it.
    dtype : {"float32", "float64"}, optional
        The precision to compute in; by default float32 for ``X`` in float32, float64 for everything else.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        The loss on ``validation_data`` after each epoch.

    Notes
    -----
    Other fitted attributes are those of `sklearn.neural_network.MLPClassifier`.

    Examples
    --------
    >>> from xpmlp import MLPClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "yes", "no"]
    >>> MLPClassifier((8,), solver="lbfgs", random_state=0).fit(X, y).predict(X).tolist()
    ['no', 'yes', 'yes', 'no']
    """

    _: KW_ONLY
    class_weight: Mapping[Any, float] | str | None = parameter(None, dict, list, StrOptions({"balanced"}), None)

    _y_numeric = False

    @property
    def _loss_name(self) -> str:
        return self._labels.loss

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch, exactly as `fit` would continue.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : (n_classes,)
            All classes; required in the first call, since ``y`` may lack some.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            scikit-learn's own; also for ``class_weight="balanced"``, since a batch does not tell class frequencies.
        """
        if "balanced" in (self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]):
            raise ValueError(
                "class_weight='balanced' needs the frequencies of the classes in all data, and partial_fit sees one "
                "batch: give a table of weights, for example by sklearn.utils.compute_class_weight on a sample."
            )
        known = None if classes is None else unique_labels(to_host(classes))
        if not hasattr(self, "_labels"):
            if known is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            y_host = to_host(y)
            self._labels = Labels.of(y_host if type_of_target(y_host).startswith("multilabel") else known)
        elif known is not None and not np.array_equal(self._labels.classes, known):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self._labels.classes!r}"
            )
        self._fit(X, y, sample_weight, incremental=True)
        return self

    @with_own_settings
    def predict(self, X: Any) -> Array:
        """Predict classes.

        Parameters
        ----------
        X : (n, n_features)
            Where the estimator was fitted: of the same array library, on the same device.

        Returns
        -------
        y : (n,) or (n, n_labels)
        """
        return self._labels_of(self._raw_predictions(X, "predict"))

    @with_own_settings
    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : (n, n_features)
            As for `predict`.

        Returns
        -------
        probabilities : (n, n_classes)
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        return self._raw_predictions(X, "predict_proba", self._labels.probabilities)

    @with_own_settings
    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of the classes' probabilities from the logits: finite if these are.

        Parameters
        ----------
        X : (n, n_features)
            As for `predict`.

        Returns
        -------
        log_probabilities : (n, n_classes)
        """
        check_is_fitted(self)
        return self._raw_predictions(X, "predict_log_proba", self._labels.log_probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy; of several labels, all must be right.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        """
        return float(accuracy_score(to_host(y), to_host(self.predict(X)), sample_weight=to_host(sample_weight)))

    def _labels_of(self, raw: Array) -> Array:
        return self._labels.decode(raw, self.classes_)

    def _encode(self, given: Samples, *, incremental: bool) -> npt.NDArray[Any]:
        y = given.targets
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if hasattr(self, "_labels") and (self.warm_start or incremental):
            self._labels.check(y, all_of_them=self.warm_start)
        else:
            self._labels = Labels.of(y)
        self._place_classes(backend_at(*residence_of(given.features), dtype_name(given.features)))
        self.n_outputs_ = self._labels.n_outputs
        return self._labels.encode(y)

    def _place_classes(self, home: Backend) -> None:
        """Put the classes where the weights are; strings stay on the host, since no other library has them."""
        classes = self._labels.classes
        self.classes_ = placed(classes, home) if classes.dtype.kind in "biuf" else classes

    def _move_to(self, backend: str, device: str | None) -> None:
        super()._move_to(backend, device)
        self._place_classes(backend_at(backend, device, dtype_name(self.coefs_[0])))

    def _encode_more(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self._labels.check(y, all_of_them=False)
        return self._labels.encode(y)

    def _weights_of(self, given: Samples) -> npt.NDArray[Any] | None:
        if self.class_weight is None:
            return given.weights
        weights = self._labels.weights(self.class_weight, given.targets)
        if np.isnan(weights).any():
            raise ValueError(f"class_weight={self.class_weight!r} has a weight that is not a number.")
        return weights if given.weights is None else weights * given.weights

    def _score_of(self, raw: npt.NDArray[Any], y: npt.NDArray[Any], sample_weight: npt.NDArray[Any] | None) -> float:
        return float(accuracy_score(y, self._labels.decode(raw, self._labels.classes), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
