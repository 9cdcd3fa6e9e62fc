"""`MLPRegressor`: prediction of values from features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import column_or_1d

from xpmlp._typing import Array
from xpmlp.estimator.base import BaseMLP
from xpmlp.estimator.parameters import parameter
from xpmlp.estimator.places import to_host, with_own_settings
from xpmlp.estimator.samples import Samples
from xpmlp.nn import losses

LOSSES = {loss.scikit_learn: name for name, loss in losses.items() if loss.scikit_learn}
"""The core's names of the losses by scikit-learn's."""


@dataclass(eq=False, repr=False)
class _WithLoss:
    """The parameter that precedes those shared with a classifier."""

    loss: str = parameter("squared_error", StrOptions(set(LOSSES)))


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP, _WithLoss):
    """Multilayer perceptron regressor, with scikit-learn's interface, on any array library.

    The parameters are those of `sklearn.neural_network.MLPRegressor`, with the same meaning and defaults, and:

    Parameters
    ----------
    activation : str or list of str
        One for all hidden layers, or one for each.
    dropout : float or list of float, default=0.0
        The fraction of each hidden layer's units dropped in training; one for all, or one for each.
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
    Other fitted attributes are those of `sklearn.neural_network.MLPRegressor`.

    Examples
    --------
    >>> from xpmlp import MLPRegressor
    >>> X = [[0.0], [0.25], [0.5], [0.75], [1.0]]
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0)
    >>> _ = model.fit(X, [0.0, 0.5, 1.0, 1.5, 2.0])
    >>> model.predict([[0.6]]).round(1).tolist()
    [1.2]
    """

    _y_numeric = True

    @property
    def _loss_name(self) -> str:
        return LOSSES[self.loss]

    @with_own_settings
    def predict(self, X: Any) -> Array:
        """Predict values.

        Parameters
        ----------
        X : (n, n_features)
            Where the estimator was fitted: of the same array library, on the same device.

        Returns
        -------
        y : (n,) or (n, n_outputs)
        """
        return _as_column(self._raw_predictions(X, "predict"))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute R² of the predictions, averaged over the outputs.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        """
        return float(r2_score(to_host(y), to_host(self.predict(X)), sample_weight=to_host(sample_weight)))

    def _encode(self, given: Samples, *, incremental: bool) -> npt.NDArray[Any]:
        y = given.targets
        if issparse(y):
            raise TypeError("y is a sparse matrix, and values have to be dense: use y.toarray().")
        if y.dtype.kind not in "buif":
            raise ValueError(f"y is of the type {y.dtype}, and values have to be numbers: convert them first.")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError('loss="poisson" needs y >= 0, and y has a negative value.')
        if not self._is_first_fit(incremental=incremental):
            return self._encode_more(y)
        targets = y.reshape(len(y), -1)
        self.n_outputs_ = targets.shape[1]
        return targets

    def _encode_more(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        targets = y.reshape(len(y), -1)
        if targets.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {targets.shape[1]} outputs, and the targets trained on have {self.n_outputs_}.")
        return targets

    def _score_of(self, raw: npt.NDArray[Any], y: npt.NDArray[Any], sample_weight: npt.NDArray[Any] | None) -> float:
        return float(r2_score(y, _as_column(raw), sample_weight=sample_weight))


def _as_column(raw: Array) -> Array:
    """Reshape a single output (n, 1) to (n,); several are returned unchanged."""
    return raw[:, 0] if raw.shape[1] == 1 else raw
