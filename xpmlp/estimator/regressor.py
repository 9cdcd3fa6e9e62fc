"""`MLPRegressor`: values from features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from xpmlp._typing import Array
from xpmlp.estimator.base import BaseMLP
from xpmlp.estimator.inputs import TrainingInput
from xpmlp.estimator.places import to_host, with_own_settings
from xpmlp.nn import losses

LOSSES = {loss.scikit_learn: name for name, loss in losses.items() if loss.scikit_learn}
"""scikit-learn's names of the losses, and the core's."""


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor, with scikit-learn's interface, on any array library.

    Parameters are those of `sklearn.neural_network.MLPRegressor`, with the same meaning and defaults, and in addition:

    Parameters
    ----------
    activation : str or list of str
        One for all hidden layers, or one for each.
    dropout : float or list of float, default=0.0
        The part of each hidden layer's units that is dropped in training; one for all, or one for each.
    callbacks : list of callables, optional
        Each is called as ``callback(estimator, row)`` after every epoch, with the estimator as it would be if the
        training ended there, and its `xpmlp.training.EpochRow`.  Where one returns true, the training stops.
    backend : {"numpy", "cupy", "torch", "jax"}, optional
        What to compute with; by default the library of the arrays given as ``X``, and NumPy for lists and data frames.
        What comes back is always where ``X`` is.
    device : str, optional
        The device to compute on, as its library names it.
    dtype : {"float32", "float64"}, optional
        What to compute in; by default float32 for ``X`` in float32, float64 for everything else.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        The loss on ``validation_data`` after each epoch.

    Notes
    -----
    Other fitted attributes are those of `sklearn.neural_network.MLPRegressor`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
    }
    _y_numeric = True

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        callbacks: Sequence[Callable[..., Any]] | None = None,
        backend: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.callbacks = callbacks
        self.backend = backend
        self.device = device
        self.dtype = dtype

    @property
    def _loss_name(self) -> str:
        return LOSSES[self.loss]

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: tuple[Any, ...] | None = None
    ) -> MLPRegressor:
        """Fit the network to features and values.

        Parameters
        ----------
        X : (n, n_features)
            An array of any backend, a data frame, a list, or a sparse matrix.
        y : (n,) or (n, n_outputs)
            It follows ``X`` to where that is, as ``sample_weight`` does.
        sample_weight : (n,), optional
        validation_data : (X, y) or (X, y, sample_weight), optional
            What to evaluate after each epoch (``validation_loss_curve_``); with ``early_stopping`` it is watched, and
            nothing is held out of ``X``.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)
        return self

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train one more epoch, exactly as `fit` would go on.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

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
        """R² of the predictions, the mean over the outputs.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        """
        return float(r2_score(to_host(y), to_host(self.predict(X)), sample_weight=to_host(sample_weight)))

    def _encode(self, given: TrainingInput, *, incremental: bool) -> npt.NDArray[Any]:
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
    """One output (n, 1) as (n,); several as they are."""
    return raw[:, 0] if raw.shape[1] == 1 else raw
