"""Between scikit-learn's own estimators and ours."""

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
    """Ours, with the parameters, the weights and the figures of a fitted estimator of scikit-learn's.

    The optimiser's state stays behind: `partial_fit` goes on from the weights.
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
    ours._random_state = theirs._random_state
    if hasattr(theirs, "classes_"):
        binarizer = theirs._label_binarizer
        ours._labels = Labels.known(binarizer.classes_, binarizer.y_type_, sparse=binarizer.sparse_input_)
        ours.classes_ = theirs.classes_
    return ours


def to_sklearn(ours: Any) -> Any:
    """scikit-learn's own, with the parameters that it has, and the weights and the figures, as NumPy arrays.

    Raises
    ------
    ValueError
        If the hidden layers have different activations, or one that scikit-learn has not.
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
    """scikit-learn's class of the same name; a subclass of ours has that of the class above it."""
    import sklearn.neural_network as theirs

    found: type[Any] = next(getattr(theirs, base.__name__) for base in cls.__mro__ if hasattr(theirs, base.__name__))
    return found


def _copy_figures(source: Any, target: Any) -> None:
    """Set fitted attributes; lists are copied, for they grow as the training goes on."""
    for name in (*FIGURES, "feature_names_in_"):
        if hasattr(source, name):
            setattr(target, name, copy.copy(getattr(source, name)))
