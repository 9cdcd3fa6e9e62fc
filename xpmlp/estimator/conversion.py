"""Conversion between scikit-learn's estimators and this package's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from xpmlp.estimator.places import to_host
from xpmlp.estimator.policy import Continuation
from xpmlp.estimator.saving import FIGURES
from xpmlp.estimator.targets import Labels
from xpmlp.nn import activations


def from_sklearn(cls: type[Any], theirs: Any) -> Any:
    """Convert a fitted scikit-learn estimator, with its parameters, weights and figures.

    The optimiser's state is lost: `partial_fit` continues from the weights alone.
    """
    their_class = _counterpart(cls)
    if not isinstance(theirs, their_class) or not hasattr(theirs, "coefs_"):
        raise TypeError(
            f"{cls.__name__}.from_sklearn takes a fitted {their_class.__name__} of scikit-learn's, not {theirs!r}."
        )
    ours = cls(**theirs.get_params())
    _copy_figures(theirs, ours)
    ours.coefs_ = [np.array(weights, order="C") for weights in theirs.coefs_]
    ours.intercepts_ = [np.array(biases) for biases in theirs.intercepts_]
    ours._memory = Continuation(stalled=getattr(theirs, "_no_improvement_count", 0))
    if hasattr(theirs, "classes_"):
        binarizer = theirs._label_binarizer
        ours._labels = Labels.known(binarizer.classes_, binarizer.y_type_, sparse=binarizer.sparse_input_)
        ours.classes_ = theirs.classes_
    return ours


def to_sklearn(ours: Any) -> Any:
    """Convert to a scikit-learn estimator, with the parameters it has, and the weights and figures as NumPy arrays.

    Raises
    ------
    ValueError
        If the hidden layers have different activations, or one that scikit-learn lacks.
    """
    cls = _counterpart(type(ours))
    parameters = {name: getattr(ours, name) for name in cls().get_params()}
    if not isinstance(parameters["activation"], str):
        if len(set(parameters["activation"])) > 1:
            raise ValueError(
                f"scikit-learn's {cls.__name__} has one activation for all hidden layers, not {ours.activation!r}."
            )
        parameters["activation"] = parameters["activation"][0] if parameters["activation"] else "relu"
    if parameters["activation"] not in (one.scikit_learn for one in activations.values()):
        raise ValueError(f"scikit-learn's {cls.__name__} has no activation {parameters['activation']!r}.")
    theirs = cls(**parameters)
    _copy_figures(ours, theirs)
    theirs.coefs_ = [np.array(to_host(weights)) for weights in ours.coefs_]
    theirs.intercepts_ = [np.array(to_host(biases)) for biases in ours.intercepts_]
    theirs._no_improvement_count = ours._memory.stalled
    if hasattr(ours, "_labels"):
        theirs._label_binarizer, theirs.classes_ = ours._labels.binarizer, ours._labels.classes
    return theirs


def _counterpart(cls: type[Any]) -> type[Any]:
    """Return scikit-learn's class of the same name as a class or one of its bases."""
    import sklearn.neural_network as theirs

    found: type[Any] = next(getattr(theirs, base.__name__) for base in cls.__mro__ if hasattr(theirs, base.__name__))
    return found


def _copy_figures(source: Any, target: Any) -> None:
    """Copy fitted attributes; lists and the random state are copied, since they change as the training continues."""
    for name in (*FIGURES, "feature_names_in_", "_random_state"):
        if hasattr(source, name):
            setattr(target, name, copy.copy(getattr(source, name)))
