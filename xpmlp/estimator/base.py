"""Fitting, the common base of the classifier and the regressor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if

from xpmlp._typing import DenseParameters
from xpmlp.backend import Backend, residence_of
from xpmlp.estimator.fitted import OUT_ACTIVATIONS, FittedMLP
from xpmlp.estimator.fitting import fit_at_once, fit_by_epochs
from xpmlp.estimator.inputs import check_training_input, dtype_name, elsewhere
from xpmlp.estimator.parameters import ACTIVATIONS, STOCHASTIC_SOLVERS
from xpmlp.estimator.places import backend_at, unchanged_on_error, with_own_settings
from xpmlp.estimator.policy import Continuation
from xpmlp.estimator.samples import Samples, to_engine
from xpmlp.training.inference import BATCH


@dataclass(eq=False, repr=False)
class BaseMLP(FittedMLP, ABC):
    """A multilayer perceptron with scikit-learn's parameters and fitting; see its two subclasses."""

    _y_numeric: ClassVar[bool]

    @abstractmethod
    def _encode(self, given: Samples, *, incremental: bool) -> npt.NDArray[Any]:
        """Encode targets for the loss; sets ``n_outputs_`` and other attributes of the targets."""

    @abstractmethod
    def _encode_more(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Encode further targets, of the same kind, for the loss."""

    @property
    @abstractmethod
    def _loss_name(self) -> str:
        """The name of the core's loss."""

    @abstractmethod
    def _score_of(self, raw: npt.NDArray[Any], y: npt.NDArray[Any], sample_weight: npt.NDArray[Any] | None) -> float:
        """Score predictions (n, n_outputs), all on the host."""

    def _weights_of(self, given: Samples) -> npt.NDArray[Any] | None:
        """Return the weight of each example; called after the targets are encoded."""
        return given.weights

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: tuple[Any, ...] | None = None) -> Self:
        """Fit the network to features and targets.

        Parameters
        ----------
        X : (n, n_features)
            An array of any backend, a data frame, a list, or a sparse matrix.
        y : (n,) or (n, n_outputs)
            For a classifier, classes of any type or an indicator matrix of labels; for a regressor, values.  Like
            ``sample_weight``, it may be in any library and is moved as needed.
        sample_weight : (n,), optional
        validation_data : (X, y) or (X, y, sample_weight), optional
            Data to evaluate after each epoch (``validation_loss_curve_``); with ``early_stopping`` they are watched,
            and nothing is held out of ``X``.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)
        return self

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, exactly as `fit` would continue.

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
    @unchanged_on_error
    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, validation_data: tuple[Any, ...] | None = None
    ) -> None:
        sizes, fresh = self._hidden_layer_sizes(), self._is_first_fit(incremental=incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        self._check_what_is_ours(len(sizes), validation_data)
        given = check_training_input(self, X, y, sample_weight, reset=fresh, y_numeric=self._y_numeric)
        residence, targets = residence_of(given.features), self._encode(given, incremental=incremental)
        given = replace(given, targets=targets, weights=self._weights_of(given))
        units = [given.features.shape[1], *sizes, self.n_outputs_]
        random = self._random(fresh=fresh)
        if fresh:
            self._begin(units, given, random)
        elif residence_of(self.coefs_[0]) != residence:
            raise elsewhere(self, "partial_fit" if incremental else "fit", self.coefs_[0], residence)
        elif [weights.shape[1] for weights in self.coefs_] != units[1:]:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes} does not fit the layers of "
                f"{[weights.shape[1] for weights in self.coefs_[:-1]]} units that are to be trained further: fit with "
                "warm_start=False to begin anew."
            )
        self.out_activation_ = OUT_ACTIVATIONS[self._loss_name]
        self._prepare_figures()
        engine = self._engine()
        batch_size = BATCH if self.solver == "lbfgs" else 200 if self.batch_size == "auto" else int(self.batch_size)
        with engine.session(min(batch_size, len(targets))):
            samples = replace(given, features=to_engine(given.features, engine))
            held_out = None if validation_data is None else self._validation(engine, *validation_data)
            if self.solver == "lbfgs":
                parameters = fit_at_once(self, engine, samples, held_out)
            else:
                parameters = fit_by_epochs(self, engine, samples, random, held_out, incremental=incremental)
            self._keep(parameters, engine)
        self._random_state = random

    def _validation(self, engine: Backend, X: Any, y: Any, sample_weight: Any = None) -> Samples:
        """Check and prepare validation examples in the same way as training examples."""
        given = check_training_input(self, X, y, sample_weight, reset=False, y_numeric=self._y_numeric)
        return replace(given, features=to_engine(given.features, engine), targets=self._encode_more(given.targets))

    def _is_first_fit(self, *, incremental: bool) -> bool:
        return not hasattr(self, "coefs_") or not (self.warm_start or incremental)

    def _random(self, *, fresh: bool) -> np.random.RandomState:
        """Return the random stream: for a seed, a copy of its state after the previous training."""
        stream: np.random.RandomState
        if fresh or not isinstance(self.random_state, Integral) or not hasattr(self, "_random_state"):
            stream = check_random_state(self.random_state)
            return stream
        stream = np.random.RandomState()
        stream.set_state(self._random_state.get_state())
        return stream

    def _begin(self, units: list[int], given: Samples, random: np.random.RandomState) -> None:
        """Draw initial weights as scikit-learn does, and forget any earlier fit."""
        self.n_iter_, self.t_, self.n_layers_ = 0, 0, len(units)
        hidden = self._activations(len(units) - 2)
        last = hidden[-1] if hidden else ACTIVATIONS.get(str(self.activation))
        drawn = []
        for (n_in, n_out), activation in zip(pairwise(units), [*hidden, last], strict=True):
            bound = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (n_in + n_out))
            drawn.append(
                DenseParameters(random.uniform(-bound, bound, (n_in, n_out)), random.uniform(-bound, bound, (1, n_out)))
            )
        home = backend_at(*residence_of(given.features), dtype_name(given.features))
        self._set_weights(home.parameters(drawn), home)
        self._memory = Continuation()
        if self.solver in STOCHASTIC_SOLVERS:
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] | None = None
            self.best_loss_: float | None = None
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_: float | None = None

    def _prepare_figures(self) -> None:
        """Initialise figures that an earlier training, by another solver or stopping rule, does not have."""
        if self.solver not in STOCHASTIC_SOLVERS:
            return
        for name, nothing in (("loss_curve_", []), ("validation_loss_curve_", None)):
            setattr(self, name, getattr(self, name, nothing))
        if not self.early_stopping:
            best = getattr(self, "best_loss_", None)
            self.best_loss_ = np.inf if best is None else best
            self.validation_scores_ = self.best_validation_score_ = None
        elif getattr(self, "validation_scores_", None) is None:
            self.best_loss_, self.validation_scores_, self.best_validation_score_ = None, [], -np.inf

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags
