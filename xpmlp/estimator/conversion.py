"""Between scikit-learn's own estimators and ours."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp.estimator.course import Memory
from xpmlp.estimator.places import to_host
from xpmlp.estimator.saving import FIGURES
from xpmlp.estimator.targets import Labels


def from_sklearn(cls: type[Any], theirs: Any) -> Any:
    """Ours, with the parameters, the weights and the figures of a fitted estimator of scikit-learn's.

    The optimiser's state stays behind: `partial_fit` goes on from the weights.
    """
    if type(theirs).__name__ != cls.__name__ or not hasattr(theirs, "coefs_"):
        raise TypeError(f"{cls.__name__}.from_sklearn takes a fitted {cls.__name__} of scikit-learn's, not {theirs!r}.")
    ours = cls(**theirs.get_params())
    for name in (*FIGURES, "feature_names_in_"):
        if hasattr(theirs, name):
            setattr(ours, name, getattr(theirs, name))
    ours.coefs_ = [np.array(weights, order="C") for weights in theirs.coefs_]
    ours.intercepts_ = [np.array(biases) for biases in theirs.intercepts_]
    ours._memory = Memory(stalled=getattr(theirs, "_no_improvement_count", 0))
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
        If the hidden layers have different activations.
    """
    import sklearn.neural_network

    cls = getattr(sklearn.neural_network, type(ours).__name__)
    parameters = {name: value for name, value in ours.get_params().items() if name in cls().get_params()}
    if not isinstance(parameters["activation"], str):
        if len(set(parameters["activation"])) > 1:
            raise ValueError(
                f"scikit-learn's {cls.__name__} has one activation for all hidden layers, not {ours.activation!r}."
            )
        parameters["activation"] = parameters["activation"][0] if parameters["activation"] else "relu"
    theirs = cls(**parameters)
    for name in (*FIGURES, "feature_names_in_"):
        if hasattr(ours, name):
            setattr(theirs, name, getattr(ours, name))
    theirs.coefs_ = [np.array(to_host(weights)) for weights in ours.coefs_]
    theirs.intercepts_ = [np.array(to_host(biases)) for biases in ours.intercepts_]
    theirs._no_improvement_count = ours._memory.stalled
    if hasattr(ours, "_labels"):
        theirs._label_binarizer, theirs.classes_ = ours._labels.binarizer, ours._labels.classes
    return theirs
