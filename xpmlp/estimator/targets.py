"""Conversion between a user's labels and the losses' targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace
from scipy.sparse import issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from xpmlp._typing import Array
from xpmlp.backend import HOST, residence_of
from xpmlp.estimator.places import to_host
from xpmlp.nn import Ops


class Labels:
    """The classes of a classifier.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to the targets or to a list of all classes.

    Attributes
    ----------
    classes : (n_classes,)
        The sorted classes.
    loss : "cross_entropy" or "logistic"
        The loss to train with: one of several classes, or yes or no for each output.
    """

    def __init__(self, binarizer: LabelBinarizer) -> None:
        self.binarizer = binarizer
        self.classes: npt.NDArray[Any] = binarizer.classes_
        self.loss = "cross_entropy" if self.binarizer.y_type_ == "multiclass" else "logistic"

    @classmethod
    def of(cls, y: npt.NDArray[Any]) -> Labels:
        """Find the labels in targets (n,) or (n, n_labels), or in a list of all classes, on the host."""
        return cls(LabelBinarizer().fit(y))

    @classmethod
    def known(cls, classes: npt.NDArray[Any], kind: str, *, sparse: bool) -> Labels:
        """Restore labels from a fitted binarizer's classes, type of targets, and whether these were sparse."""
        binarizer = LabelBinarizer()
        binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_ = classes, kind, sparse
        return cls(binarizer)

    @property
    def n_outputs(self) -> int:
        """The width of the network's output."""
        several = self.loss == "cross_entropy" or self.binarizer.y_type_.startswith("multilabel")
        return len(self.classes) if several else 1

    def check(self, y: npt.NDArray[Any], *, all_of_them: bool) -> None:
        """Refuse targets that do not match the classes.

        Parameters
        ----------
        all_of_them : bool
            Whether every class must be present, as for a warm start.

        Raises
        ------
        ValueError
            scikit-learn's own.
        """
        classes = unique_labels(y)
        if all_of_them:
            if set(classes) != set(self.classes):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes}. 'y' has {classes}."
            )

    def encode(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Encode targets for the loss: class indices (n,), or zeros and ones (n, n_outputs)."""
        if self.loss == "logistic":
            return np.asarray(self.binarizer.transform(y))
        if type_of_target(y).startswith("multilabel"):
            raise ValueError("The object was not fitted with multilabel input.")
        return np.searchsorted(self.classes, y)

    def weights(self, class_weight: Any, y: Any) -> npt.NDArray[np.float64]:
        """Compute the weight of each example by its class, (n,); for several labels, the product over the labels.

        The known classes are used, whether or not ``y`` has all of them.

        Parameters
        ----------
        class_weight : dict, "balanced" or list of dict
            As in scikit-learn: one table, or for several labels a table of 0 and 1 for each.
        y : (n,) or (n, n_labels)
            Checked targets on the host.

        Raises
        ------
        ValueError
            If a table has an unknown class, or there is not one table for each label.
        """
        if not self.binarizer.y_type_.startswith("multilabel"):
            if isinstance(class_weight, list):
                raise ValueError(
                    "class_weight is a list, which is for several labels at once: give one table of classes."
                )
            return _class_weights(class_weight, self.classes, np.ravel(y))
        columns = y.toarray().T if issparse(y) else y.T
        if isinstance(class_weight, str):
            class_weight = [class_weight] * len(columns)
        if isinstance(class_weight, dict) or len(class_weight) != len(columns):
            raise ValueError(
                f"there are {len(columns)} labels at once: give class_weight as a list of {len(columns)} tables."
            )
        yes_or_no = np.arange(2)
        factors = [_class_weights(one, yes_or_no, column) for one, column in zip(class_weight, columns, strict=True)]
        product: npt.NDArray[np.float64] = np.prod(factors, axis=0)
        return product

    def log_probabilities(self, ops: Ops, logits: Array) -> Array:
        """Compute the logarithms of the classes' probabilities, (n, n_classes), finite even where a probability is 0.

        Parameters
        ----------
        ops : Ops
        logits : (n, n_outputs)
        """
        xp, logits = ops.xp, _bounded(ops, logits)
        if self.loss == "cross_entropy":
            return ops.log_softmax(logits)
        if self.n_outputs == 1:
            logits = xp.concat([-logits, logits], axis=1)
        # not log1p: probabilities that are equal in this dtype have equal logarithms
        return xp.minimum(logits, xp.zeros_like(logits)) - xp.log(1 + xp.exp(-xp.abs(logits)))

    def probabilities(self, ops: Ops, logits: Array) -> Array:
        """Compute the classes' probabilities, (n, n_classes), small ones in full precision; see `log_probabilities`."""
        if self.loss == "cross_entropy":
            return ops.softmax(_bounded(ops, logits))
        return ops.xp.exp(self.log_probabilities(ops, logits))

    def decode(self, predictions: Array, classes: Array) -> Array:
        """Convert predictions to labels, where the predictions are.

        Parameters
        ----------
        predictions : (n, n_outputs)
            Probabilities.
        classes : (n_classes,)
            The classes as an array where the predictions are; on the host if their library lacks the type.

        Returns
        -------
        labels : (n,) or (n, n_labels)
        """
        if residence_of(predictions) == HOST:
            flat = predictions[:, 0] if self.n_outputs == 1 else predictions
            return self.binarizer.inverse_transform(flat)
        xp = array_namespace(predictions)
        positive = predictions > 0.5
        if self.binarizer.y_type_.startswith("multilabel"):
            return xp.astype(positive, classes.dtype)
        if self.loss == "cross_entropy":
            index = xp.argmax(predictions, axis=1)
        else:
            index = xp.astype(positive[:, 0], xp.int32) * (len(self.classes) - 1)
        if residence_of(classes) == HOST:
            return classes[to_host(index)]
        return xp.take(classes, index, axis=0)


def _class_weights(class_weight: Any, classes: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Compute the weight of each target in ``y`` (n,) by class; "balanced" counts only the classes in ``y``."""
    if isinstance(class_weight, str):
        classes = np.unique(y)
        weights: npt.NDArray[np.float64] = compute_class_weight(class_weight, classes=classes, y=y)
    else:
        weights = _weights_by_label(class_weight or {}, classes)
    return weights[np.searchsorted(classes, y)]


def _weights_by_label(table: Mapping[Any, float], classes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Look up the weights of classes in a table by label, or as in scikit-learn by whole number for text labels.

    scikit-learn itself takes ``"007"`` and ``"7"`` for one class.
    """
    keys = [_as_number(label) if isinstance(label, str) and label not in table else label for label in classes]
    unknown = [label for label, key in zip(classes.tolist(), keys, strict=True) if key not in table]
    if table and unknown and len(classes) - len(unknown) != len(table):
        raise ValueError(f"The classes, {unknown}, are not in class_weight")
    return np.asarray([table.get(key, 1.0) for key in keys], dtype=np.float64)


def _as_number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _bounded(ops: Ops, logits: Array) -> Array:
    """Clip logits so that the difference of any two is finite."""
    largest = float(ops.xp.finfo(logits.dtype).max) / 2
    return ops.xp.clip(logits, -largest, largest)
