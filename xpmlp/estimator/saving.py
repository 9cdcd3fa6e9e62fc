"""Files of estimators: safetensors for arrays, JSON for the rest, nothing pickled, readable by any backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier

from xpmlp._tree import leaves, map_leaves
from xpmlp.backend import residence_of
from xpmlp.data import Preprocessing
from xpmlp.errors import DataError
from xpmlp.estimator.places import to_host
from xpmlp.estimator.policy import Continuation
from xpmlp.estimator.targets import Labels
from xpmlp.estimator.trainable import OptimizerChoice
from xpmlp.optim import optimizers
from xpmlp.storage import Damaged, SavedNetwork, Sealed, read_sealed, write_sealed
from xpmlp.storage.network import MAX_CLASS_CHARACTERS
from xpmlp.storage.sealed import Tensors

FORMAT = "xpmlp estimator 1"

FIGURES = (
    "n_iter_",
    "t_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "loss_",
    "loss_curve_",
    "validation_loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
)
"""Fitted attributes of JSON types; an estimator may lack some."""


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted estimator atomically, with the full state for `partial_fit` to continue exactly.

    Raises
    ------
    ValueError
        If a parameter cannot be written, such as a random generator.
    """
    memory: Continuation = estimator._memory
    tensors: Tensors = {
        **_named("coefs", estimator.coefs_),
        **_named("intercepts", estimator.intercepts_),
        **{f"optimizer.{name}": to_host(leaf) for name, leaf in leaves(memory.state)},
    }
    description = {
        "format": FORMAT,
        "class": type(estimator).__name__,
        "parameters": {
            name: encoded(name, value) for name, value in estimator.get_params().items() if name != "callbacks"
        },
        "figures": {name: encoded(name, getattr(estimator, name)) for name in FIGURES if hasattr(estimator, name)},
        "feature_names": getattr(estimator, "feature_names_in_", np.empty(0)).tolist(),
        "residence": residence_of(estimator.coefs_[0]),
        "memory": {
            "choice": memory.choice and [memory.choice.name, *dict(memory.choice.constants).values()],
            **{name: getattr(memory, name) for name in ("stalled", "cuts", "epochs", "seed")},
        },
    }
    if memory.order is not None:
        tensors["order"] = memory.order
    if isinstance(estimator.random_state, int | np.integer):
        name, keys, *rest = estimator._random_state.get_state()
        description["random"], tensors["random"] = [name, *rest], keys
    if hasattr(estimator, "_labels"):
        description["labels"], tensors["classes"] = _labels_description(estimator._labels)
    write_sealed(path, description, tensors)


def load_estimator(cls: type[Any], path: Path) -> tuple[Any, tuple[str, str]]:
    """Read an estimator; its arrays are on the host.

    Returns
    -------
    estimator : cls
    residence : (backend, device)
        Its residence when it was saved.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds another class.
    """
    try:
        sealed = read_sealed(path)
        found = sealed.description.get("class")
        if sealed.description.get("format") != FORMAT or found != cls.__name__:
            raise DataError(f"{path} holds {found or 'no estimator'}, not {cls.__name__}: load it as what it is.")
        backend, device = map(str, sealed.description["residence"])
        return _estimator(cls, sealed), (backend, device)
    except FileNotFoundError as error:
        raise DataError(f"there is no {path}.") from error
    except OSError as error:
        if path.is_dir():
            raise DataError(
                f"{path} is a folder, as saved by an estimator for tables, and no file of {cls.__name__}: load it as "
                "what it is."
            ) from error
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (Damaged, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} is not an estimator that xpmlp has saved, or it is damaged: {str(error)[:200]}."
        ) from error


def saved_network_of(estimator: Any) -> SavedNetwork:
    """Return the network of a fitted estimator in the form saved by runs, with its weights on the host.

    Raises
    ------
    ValueError
        If the classes are not numbers, strings or truth values.
    """
    parameters = map_leaves(to_host, estimator._parameters())
    names = getattr(estimator, "feature_names_in_", None)
    features = None if names is None else tuple(map(str, names))
    classes, targets = np.empty(0), tuple(f"y{place}" for place in range(estimator.n_outputs_))
    labels: Labels | None = getattr(estimator, "_labels", None)
    if labels is not None:
        classes = np.asarray(labels.classes)
        if classes.dtype.kind == "O" and all(isinstance(one, str) for one in classes.tolist()):
            classes = classes.astype(str)
        if classes.dtype.kind not in "biufU":
            raise ValueError(f"classes of the type {classes.dtype} have no equal in ONNX: fit with numbers or strings.")
        targets = ()
        if labels.binarizer.y_type_.startswith("multilabel"):
            classes, targets = np.empty(0), tuple(map(str, classes.tolist()))
    return SavedNetwork(parameters, estimator._network(), classes, Preprocessing(), features, targets)


def _estimator(cls: type[Any], sealed: Sealed) -> Any:
    description, tensors = sealed
    estimator = cls(**{name: decoded(value) for name, value in description["parameters"].items()})
    figures = description["figures"]
    for name in (name for name in FIGURES if name in figures):
        setattr(estimator, name, decoded(figures[name]))
    if description["feature_names"]:
        estimator.feature_names_in_ = np.array(description["feature_names"], dtype=object)
    layers = estimator.n_layers_ - 1
    estimator.coefs_ = [tensors[f"coefs.{index}"] for index in range(layers)]
    estimator.intercepts_ = [tensors[f"intercepts.{index}"] for index in range(layers)]
    saved = dict(description["memory"])
    choice = _choice(saved.pop("choice"))
    state = _optimizer_state(estimator, choice, tensors)
    estimator._memory = Continuation(choice, state, tensors.get("order"), **saved)
    if "random" in description:
        name, *rest = description["random"]
        estimator._random_state = np.random.RandomState()
        estimator._random_state.set_state((name, tensors["random"], *rest))
    if is_classifier(estimator):
        estimator._labels = _labels(description["labels"], tensors["classes"])
        estimator.classes_ = estimator._labels.classes
    return estimator


def _choice(saved: list[Any] | None) -> OptimizerChoice | None:
    """Restore an optimiser from its name and its constants, in the order of its record; ``None`` for ``None``."""
    if saved is None:
        return None
    name, *values = saved
    names = optimizers[name].constants(None)
    return OptimizerChoice(name, tuple(zip(names, map(float, values[: len(names)]), strict=True)))


def _optimizer_state(estimator: Any, choice: OptimizerChoice | None, tensors: Tensors) -> Any:
    """Restore the optimiser's state, in the structure of its initial state."""
    if choice is None or not any(name.startswith("optimizer.") for name in tensors):
        return None
    empty = choice.make(estimator._network().root.kinds).init(estimator._parameters())
    saved = iter([tensors[f"optimizer.{name}"] for name, _ in leaves(empty)])
    return map_leaves(lambda _: next(saved), empty)


def _labels_description(labels: Labels) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Convert labels to a description and an array: of classes, dates as integers, or indices of a list of strings."""
    binarizer, classes = labels.binarizer, labels.classes
    described = {"type": binarizer.y_type_, "sparse": bool(binarizer.sparse_input_), "strings": None}
    if classes.dtype.kind in "mM":
        return {**described, "dtype": classes.dtype.str}, classes.astype(np.int64)
    if classes.dtype.kind in "biuf" and classes.dtype.itemsize <= 8:
        return described, classes
    if not all(isinstance(one, str) for one in classes.tolist()):
        raise ValueError(
            f"classes of the type {classes.dtype}, such as {classes[0]!r}, cannot be saved: fit with numbers, strings "
            "or dates as classes."
        )
    return {**described, "strings": classes.tolist(), "dtype": classes.dtype.str}, np.arange(len(classes))


def _labels(described: dict[str, Any], classes: npt.NDArray[Any]) -> Labels:
    if described["strings"] is None and "dtype" in described:
        dtype = np.dtype(described["dtype"])
        if dtype.kind not in "mM" or classes.dtype != np.int64:
            raise ValueError(f"its labels are of the type {dtype}")
        classes = classes.astype(dtype)
    elif described["strings"] is not None:
        dtype = np.dtype(described["dtype"])
        if dtype.kind not in "OU" or len(described["strings"]) * dtype.itemsize > 4 * MAX_CLASS_CHARACTERS:
            raise ValueError(f"its labels are of the type {dtype}")
        classes = np.array(described["strings"], dtype=dtype)
    return Labels.known(classes, described["type"], sparse=described["sparse"])


def _named(name: str, arrays: list[Any]) -> Tensors:
    return {f"{name}.{index}": to_host(array) for index, array in enumerate(arrays)}


def encoded(name: str, value: Any) -> Any:
    """Encode a parameter for JSON; a type that JSON lacks becomes a table with one key.

    Raises
    ------
    ValueError
        If it, or a part of it, is of another type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [encoded(name, item) for item in value]
    if hasattr(value, "_fields"):
        raise ValueError(f"{name} has a record, which is code and cannot be saved: pickle the estimator, or use names.")
    if isinstance(value, tuple):
        return {"tuple": [encoded(name, item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encoded(name, key), encoded(name, item)] for key, item in value.items()]}
    raise ValueError(f"{name}={value!r} cannot be saved: give it as numbers, strings, lists or tables of them.")


def decoded(value: Any) -> Any:
    """Decode what `encoded` returned; a table that was not encoded, as in older files of tables, stays as it is."""
    match value:
        case list():
            return [decoded(item) for item in value]
        case {"tuple": list(items)}:
            return tuple(decoded(item) for item in items)
        case {"dict": list(items)}:
            return {decoded(key): decoded(item) for key, item in items}
    return value
