"""The parameters of `MLPClassifier` and `MLPRegressor`, scikit-learn's and further ones, and their checks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from xpmlp.backend import LISTED, NAMES
from xpmlp.nn import activations

ACTIVATIONS = {record.scikit_learn or name: name for name, record in activations.items()}
"""The core's names of the activations by scikit-learn's; those that scikit-learn lacks go by the core's."""

STOCHASTIC_SOLVERS = ("sgd", "adam")

COUNT = Interval(Integral, 1, None, closed="left")
NOT_NEGATIVE, POSITIVE = (Interval(Real, 0, None, closed=ends) for ends in ("left", "neither"))
PART = Interval(Real, 0, 1, closed="left")


def parameter(default: Any, *allowed: Any) -> Any:
    """Declare a parameter of an estimator: its default, and the values allowed by scikit-learn's checks."""
    return field(default=default, metadata={"allowed": allowed})


@dataclass(eq=False, repr=False)
class DeclaredParameters(BaseEstimator):
    """The parameters of an estimator as fields of a dataclass, declared by `parameter`."""

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        """The values allowed for each parameter by scikit-learn's checks."""
        return {one.name: list(one.metadata["allowed"]) for one in fields(self)}


@dataclass(eq=False, repr=False)
class MLPParameters(DeclaredParameters):
    """The parameters of `MLPClassifier` and `MLPRegressor`, each a field with its allowed values."""

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
    backend: str | None = parameter(None, StrOptions(set(LISTED)), Hidden(StrOptions(set(NAMES))), None)
    device: str | None = parameter(None, str, None)
    dtype: str | None = parameter(None, StrOptions({"float32", "float64"}), None)

    def _hidden_layer_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(isinstance(size, bool) for size in sizes):
            raise TypeError(f"hidden_layer_sizes={self.hidden_layer_sizes!r} has a truth value: give numbers of units.")
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [operator.index(size) for size in sizes]

    def _check_what_is_ours(self, n_hidden: int, validation_data: Any) -> None:
        """Check what scikit-learn's constraints on single parameters cannot express, before anything changes."""
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
        """Return a parameter's value for each hidden layer; it is given as one value for all, or one for each."""
        value = getattr(self, name)
        values = list(value) if isinstance(value, list | tuple) else [value] * n_hidden
        if any(hasattr(one, "_fields") for one in (value, *values)):
            raise ValueError(
                f"{name} has a record, and {type(self).__name__} takes names only: give one, or use xpmlp.train, which "
                "takes records."
            )
        if len(values) != n_hidden:
            raise ValueError(
                f"{name} has {len(values)} values for {n_hidden} hidden layers: give one for each, or a single one."
            )
        return values

    def _activations(self, n_hidden: int) -> list[str]:
        """Return the activation of each hidden layer, by the core's names."""
        names = self._per_layer("activation", n_hidden)
        for name in names:
            if name not in list(ACTIVATIONS):
                raise ValueError(f"there is no activation {name!r}; there are {', '.join(ACTIVATIONS)}.")
        return [ACTIVATIONS[name] for name in names]

    def _dropouts(self, n_hidden: int) -> list[float]:
        """Return the dropout rate of each hidden layer."""
        rates = self._per_layer("dropout", n_hidden)
        for rate in rates:
            if not isinstance(rate, Real) or not 0 <= float(rate) < 1:
                raise ValueError(f"a dropout of {rate!r} is not a number in [0, 1).")
        return [float(rate) for rate in rates]

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True
