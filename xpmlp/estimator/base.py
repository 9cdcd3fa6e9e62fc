"""The common base of the classifier and the regressor: parameters, fitting, predicting."""

from __future__ import annotations

import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from xpmlp._paths import given_path
from xpmlp._tree import map_leaves
from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.backend import HOST, NAMES, Backend, residence_of
from xpmlp.errors import BackendError
from xpmlp.estimator.conversion import from_sklearn, to_sklearn
from xpmlp.estimator.fitting import fit_at_once, fit_by_epochs
from xpmlp.estimator.inputs import check_features, check_training_input, dtype_name, elsewhere
from xpmlp.estimator.places import backend_at, placed, to_host, with_own_settings
from xpmlp.estimator.policy import Memory
from xpmlp.estimator.samples import Samples, inference_of, to_engine
from xpmlp.estimator.saving import load_estimator, save_estimator
from xpmlp.nn import Network, Ops, Widths, activations, losses, mlp
from xpmlp.training.inference import BATCH

ACTIVATIONS = {record.scikit_learn or name: name for name, record in activations.items()}
"""scikit-learn's names of the activations, and the core's; those that it has not have the core's."""

STOCHASTIC_SOLVERS = ("sgd", "adam")

OUT_ACTIVATIONS = {name: loss.out_activation for name, loss in losses.items()}
"""The core's losses, and scikit-learn's names of the output functions that come with them."""

LOSS_OF_OUTPUT = {loss.out_activation: loss for loss in reversed(list(losses.values()))}
"""The first loss of each output function."""


COUNT = Interval(Integral, 1, None, closed="left")
NOT_NEGATIVE, POSITIVE = (Interval(Real, 0, None, closed=ends) for ends in ("left", "neither"))
PART = Interval(Real, 0, 1, closed="left")


def parameter(default: Any, *allowed: Any) -> Any:
    """A parameter of an estimator: its default, and what scikit-learn's checks allow."""
    return field(default=default, metadata={"allowed": allowed})


@dataclass(eq=False, repr=False)
class BaseMLP(BaseEstimator, ABC):
    """A multilayer perceptron with scikit-learn's parameters; see the classifier and the regressor.

    Each parameter is a field, which says what is allowed, too.
    """

    hidden_layer_sizes: int | Sequence[int] = parameter((100,), "array-like", COUNT)
    activation: str | Sequence[str] = parameter("relu", StrOptions(set(ACTIVATIONS)), list, tuple)
    _: KW_ONLY
    solver: str = parameter("adam", StrOptions({"lbfgs", *STOCHASTIC_SOLVERS}))
    alpha: float = parameter(0.0001, NOT_NEGATIVE)
    batch_size: int | str = parameter("auto", StrOptions({"auto"}), COUNT)
    learning_rate: str = parameter("constant", StrOptions({"constant", "invscaling", "adaptive"}))
    learning_rate_init: float = parameter(0.001, POSITIVE)
    power_t: float = parameter(0.5, NOT_NEGATIVE)
    max_iter: int = parameter(200, COUNT)
    shuffle: bool = parameter(True, "boolean")
    random_state: Any = parameter(None, "random_state")
    tol: float = parameter(1e-4, NOT_NEGATIVE)
    verbose: bool | int = parameter(False, "verbose")
    warm_start: bool = parameter(False, "boolean")
    momentum: float = parameter(0.9, Interval(Real, 0, 1, closed="both"))
    nesterovs_momentum: bool = parameter(True, "boolean")
    early_stopping: bool = parameter(False, "boolean")
    validation_fraction: float = parameter(0.1, PART)
    beta_1: float = parameter(0.9, PART)
    beta_2: float = parameter(0.999, PART)
    epsilon: float = parameter(1e-8, POSITIVE)
    n_iter_no_change: float = parameter(10, COUNT, Options(Real, {np.inf}))
    max_fun: int = parameter(15000, COUNT)
    dropout: float | Sequence[float] = parameter(0.0, PART, list, tuple)
    callbacks: Sequence[Callable[..., Any]] | None = parameter(None, list, tuple, None)
    backend: str | None = parameter(None, StrOptions(set(NAMES)), None)
    device: str | None = parameter(None, str, None)
    dtype: str | None = parameter(None, StrOptions({"float32", "float64"}), None)

    _y_numeric: ClassVar[bool]

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        """The values that scikit-learn's checks allow for each parameter."""
        return {one.name: list(one.metadata["allowed"]) for one in fields(self)}

    @abstractmethod
    def _encode(self, given: Samples, *, incremental: bool) -> npt.NDArray[Any]:
        """Targets as the loss wants them; sets ``n_outputs_`` and what else is known from them."""

    @abstractmethod
    def _encode_more(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Targets of the kind that is known already, as the loss wants them."""

    @property
    @abstractmethod
    def _loss_name(self) -> str:
        """The core's loss."""

    @abstractmethod
    def _score_of(self, raw: npt.NDArray[Any], y: npt.NDArray[Any], sample_weight: npt.NDArray[Any] | None) -> float:
        """The score of predictions (n, n_outputs), all on the host."""

    def _weights_of(self, given: Samples) -> npt.NDArray[Any] | None:
        """The weight of each example; the targets are encoded by then."""
        return given.weights

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: tuple[Any, ...] | None = None) -> Self:
        """Fit the network to features and targets.

        Parameters
        ----------
        X : (n, n_features)
            An array of any backend, a data frame, a list, or a sparse matrix.
        y : (n,) or (n, n_outputs)
            Of a classifier classes of any type, or an indicator matrix of labels; of a regressor values.  It follows
            ``X`` to where that is, as ``sample_weight`` does.
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
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
        """The examples to validate with, checked as those to train on."""
        given = check_training_input(self, X, y, sample_weight, reset=False, y_numeric=self._y_numeric)
        return replace(given, features=to_engine(given.features, engine), targets=self._encode_more(given.targets))

    def _is_first_fit(self, *, incremental: bool) -> bool:
        return not hasattr(self, "coefs_") or not (self.warm_start or incremental)

    def _hidden_layer_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [operator.index(size) for size in sizes]

    def _check_what_is_ours(self, n_hidden: int, validation_data: Any) -> None:
        """Refuse what scikit-learn's constraints of single parameters cannot, before anything is changed."""
        self._activations(n_hidden)
        self._dropouts(n_hidden)
        for callback in self.callbacks or ():
            if not callable(callback):
                raise TypeError(f"callbacks has {callback!r}, which cannot be called: give functions (estimator, row).")
        if validation_data is None:
            return
        if not isinstance(validation_data, list | tuple) or len(validation_data) not in (2, 3):
            raise ValueError(
                f"validation_data is (X, y) or (X, y, sample_weight), not {type(validation_data).__name__}"
                + (f" of {len(validation_data)}." if hasattr(validation_data, "__len__") else ".")
            )

    def _per_layer(self, name: str, n_hidden: int) -> list[Any]:
        """A parameter that is one value for all hidden layers, or one for each."""
        value = getattr(self, name)
        values = list(value) if isinstance(value, list | tuple) else [value] * n_hidden
        if len(values) != n_hidden:
            raise ValueError(
                f"{name} has {len(values)} values for {n_hidden} hidden layers: give one for each, or a single one."
            )
        return values

    def _activations(self, n_hidden: int) -> list[str]:
        """The activation of each hidden layer, by the core's names."""
        names = self._per_layer("activation", n_hidden)
        for name in names:
            if name not in list(ACTIVATIONS):
                raise ValueError(f"there is no activation {name!r}; there are {', '.join(ACTIVATIONS)}.")
        return [ACTIVATIONS[name] for name in names]

    def _dropouts(self, n_hidden: int) -> list[float]:
        """The part of each hidden layer's units that is dropped in training."""
        rates = self._per_layer("dropout", n_hidden)
        for rate in rates:
            if not isinstance(rate, Real) or not 0 <= float(rate) < 1:
                raise ValueError(f"a dropout of {rate!r} is not a number in [0, 1).")
        return [float(rate) for rate in rates]

    def _network(self) -> Network:
        """The network whose weights there are, whatever the parameters say about the next one."""
        n_hidden = len(self.coefs_) - 1
        rates = self._dropouts(n_hidden)
        loss = LOSS_OF_OUTPUT[self.out_activation_]
        n_in, *units = [self.coefs_[0].shape[0], *(weights.shape[1] for weights in self.coefs_)]
        return Network(mlp(units, self._activations(n_hidden), rates), Widths(n_in), loss)

    def _random(self, *, fresh: bool) -> np.random.RandomState:
        """The random stream: for a seed, a copy of where the training before left it."""
        stream: np.random.RandomState
        if fresh or not isinstance(self.random_state, Integral) or not hasattr(self, "_random_state"):
            stream = check_random_state(self.random_state)
            return stream
        stream = np.random.RandomState()
        stream.set_state(self._random_state.get_state())
        return stream

    def _begin(self, units: list[int], given: Samples, random: np.random.RandomState) -> None:
        """Draw first weights as scikit-learn does, and forget what was fitted before."""
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
        self._memory = Memory()
        if self.solver in STOCHASTIC_SOLVERS:
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] | None = None
            self.best_loss_: float | None = None
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_: float | None = None

    def _prepare_figures(self) -> None:
        """Have the figures that this training adds to, also where one before was by another solver or rule to stop."""
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

    def _keep(self, parameters: Parameters, engine: Backend) -> None:
        """Make weights the fitted ones, where those before were."""
        self._set_weights(parameters, backend_at(*residence_of(self.coefs_[0]), engine.dtype_name))

    def _set_weights(self, parameters: Parameters, home: Backend) -> None:
        self.coefs_ = [placed(layer.weights, home) for layer in parameters]
        self.intercepts_ = [placed(layer.biases[0, :], home) for layer in parameters]

    def _engine(self) -> Backend:
        """The backend to compute with: where the weights live, unless ``backend`` or ``device`` say otherwise."""
        residence = residence_of(self.coefs_[0])
        name = self.backend or residence.backend
        device = self.device or (residence.device if name == residence.backend else None)
        return backend_at(name, device, self.dtype or dtype_name(self.coefs_[0]))

    def _parameters(self) -> Parameters:
        """The fitted weights as the core has them."""
        xp = array_namespace(self.coefs_[0])
        biases = [xp.reshape(intercept, (1, -1)) for intercept in self.intercepts_]
        return [DenseParameters(*layer) for layer in zip(self.coefs_, biases, strict=True)]

    def _raw_predictions(self, X: Any, method: str, of: Callable[[Ops, Array], Array] | None = None) -> Array:
        """The network's output (n, n_outputs) where the estimator was fitted: probabilities or values.

        With ``of``, what that function makes of the logits.
        """
        check_is_fitted(self)
        features, residence = check_features(self, X, method=method, fitted=self.coefs_[0])
        engine = self._engine()
        with engine.session(BATCH):
            parameters = [DenseParameters(*(placed(leaf, engine) for leaf in layer)) for layer in self._parameters()]
            network = self._network()
            if of is not None:
                network = network._replace(loss=losses["squared"])  # whose outputs are the logits
            raw = inference_of(network, engine).outputs(parameters, to_engine(features, engine))
            return placed(raw if of is None else of(engine.ops, raw), backend_at(*residence, engine.dtype_name))

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file, safetensors with JSON, whole or not at all; callbacks are left out.

        Raises
        ------
        ValueError
            If a parameter cannot be written, such as a random generator.
        OSError
            If the folder is missing or cannot be written to.
        """
        check_is_fitted(self)
        save_estimator(self, given_path(path))

    @classmethod
    def load(cls, path: str | Path, *, backend: str | None = None, device: str | None = None) -> Self:
        """Read what `save` has written.

        Parameters
        ----------
        path : path
        backend, device : str, optional
            Where its arrays shall be; by default where they were.

        Raises
        ------
        DataError
            If the file is missing or damaged, or holds another class.
        BackendError
            If the backend or the device is not available.
        """
        estimator: Self
        estimator, home = load_estimator(cls, given_path(path))
        estimator._move_to(*(home if backend is None and device is None else (backend or home[0], device)))
        return estimator

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """Take the parameters and the weights of a fitted estimator of scikit-learn's."""
        ours: Self = from_sklearn(cls, estimator)
        return ours

    def to_sklearn(self) -> Any:
        """Give parameters and weights to an estimator of scikit-learn's, as NumPy arrays."""
        check_is_fitted(self)
        return to_sklearn(self)

    def _move_to(self, backend: str, device: str | None) -> None:
        """Move the fitted arrays."""
        home = backend_at(backend, device, dtype_name(self.coefs_[0]))
        for name in ("coefs_", "intercepts_"):
            setattr(self, name, [placed(array, home) for array in getattr(self, name)])

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, with arrays of NumPy in place of other libraries' and a note of where they were."""
        state = dict(super().__getstate__())
        if "coefs_" in state:
            state["_pickled_at"] = residence_of(self.coefs_[0])
            for name in ("coefs_", "intercepts_"):
                state[name] = [to_host(array) for array in state[name]]
            if "classes_" in state:
                state["classes_"] = to_host(state["classes_"])
            state["_memory"] = replace(self._memory, state=map_leaves(to_host, self._memory.state))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From pickle, back to where the arrays were; if that is not available, they stay NumPy's, with a warning."""
        residence = state.pop("_pickled_at", HOST)
        super().__setstate__(state)
        if residence == HOST:
            return
        try:
            self._move_to(*residence)
        except BackendError as error:
            warnings.warn(f"{error} The estimator's arrays are NumPy's now.", stacklevel=2)

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags
