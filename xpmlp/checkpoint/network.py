"""Saved networks: one safetensors file with the weights and, as JSON in its metadata, what they belong to.

Nothing is pickled.  Any backend can read what any other has written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._files import write_bytes
from xpmlp.checkpoint.header import count_arrays, described, opened
from xpmlp.checkpoint.sealed import UNREADABLE
from xpmlp.data import Preprocessing
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import Loss, activations, losses

FORMAT = "xpmlp weights 1"

MAX_CLASS_CHARACTERS = 2**24
"""The number of classes times the longest label's length."""

MAX_ARRAYS = 100_000
"""Weights and biases of the layers: a header with more is not worth reading."""

_FLOATS = ("F16", "F32", "F64")
"""The types of weights and biases, by safetensors' names."""

HostParameters = list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]
"""(weights (n_in, n_out), biases (1, n_out)) of each layer, on the host."""


class SavedNetwork(NamedTuple):
    """A network that can predict, with all that this needs.

    Attributes
    ----------
    parameters : list of (weights (n_in, n_out), biases (1, n_out))
    hidden : tuple of str
        The activation of each hidden layer.
    loss : str
    classes : (n_classes,)
        The label of each output, or of no and yes; empty where the targets were values.
    preprocessing : Preprocessing
    feature_names : tuple of str, or None
    target_names : tuple of str
        The name of each column of targets where they were values; else empty.
    loss_settings : tuple of (str, value)
        The parameters of the loss; those that are not given are as by default.
    """

    parameters: HostParameters
    hidden: tuple[str, ...]
    loss: str
    classes: npt.NDArray[Any]
    preprocessing: Preprocessing
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] = ()
    loss_settings: tuple[tuple[str, Any], ...] = ()

    @property
    def loss_record(self) -> Loss:
        """The loss with its parameters."""
        return losses[self.loss].with_settings(dict(self.loss_settings))


def save_network(path: Path, network: SavedNetwork) -> None:
    """Write a network, whole or not at all."""
    from safetensors.numpy import save

    tensors = {
        name: np.ascontiguousarray(array)
        for index, layer in enumerate(network.parameters)
        for name, array in zip(_names(index), layer, strict=True)
    }
    description = {
        "format": FORMAT,
        "hidden": list(network.hidden),
        "loss": network.loss,
        "loss_settings": dict(network.loss_settings),
        "classes": network.classes.tolist(),
        "preprocessing": network.preprocessing.to_json(),
        "feature_names": network.feature_names,
        "target_names": network.target_names,
    }
    write_bytes(path, save(tensors, metadata={"xpmlp": json.dumps(description)}))


def load_network(path: Path) -> SavedNetwork:
    """Read a network, its arrays only where all that the file says about them is right.

    Raises
    ------
    RunFolderError
        If the file is missing, or is not what `save_network` writes.
    """
    from safetensors import SafetensorError

    try:
        arrays = count_arrays(path)
        if arrays > MAX_ARRAYS:
            raise ValueError(f"its header has {arrays:,} arrays; at most {MAX_ARRAYS:,} are allowed")
        with opened(path) as file:
            network = _without_parameters(file)
            layers = range(len(network.hidden) + 1)
            return network._replace(parameters=[_layer(file, index) for index in layers])
    except FileNotFoundError as error:
        raise RunFolderError(f"there is no {path}: the run has not written its weights.") from error
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, *UNREADABLE, OverflowError, DataError) as error:
        raise RunFolderError(
            f"{path} is not a network that xpmlp has saved, or it is damaged ({str(error)[:200]}): train it again."
        ) from error


def _without_parameters(file: Any) -> SavedNetwork:
    """All but the arrays: what a file's metadata say, checked against the header's names, types and shapes."""
    description = json.loads((file.metadata() or {})["xpmlp"])
    if description["format"] != FORMAT:
        raise ValueError(f"its format is {description['format']!r}, not {FORMAT!r}")
    hidden, targets = _strings(description, "hidden"), _strings(description, "target_names")
    names = None if description["feature_names"] is None else _strings(description, "feature_names")
    unknown = [name for name in hidden if name not in activations]
    if unknown or description["loss"] not in losses:
        raise ValueError(f"there is no activation or loss {(unknown or [description['loss']])[0]!r}")
    n_features, width = _inputs_and_outputs(file, len(hidden) + 1)
    classes = _classes(description["classes"])
    loss = losses[description["loss"]].with_settings(description.get("loss_settings", {}))
    if not targets and loss.n_outputs(0, len(classes)) != width:
        raise ValueError(f"it has {width} outputs but {classes.size} classes")
    if targets and (classes.size or loss.n_outputs(len(targets), 0) != width):
        raise ValueError(f"its {width} outputs have {len(targets)} names and {classes.size} classes")
    preprocessing = Preprocessing.from_json(description["preprocessing"])
    if preprocessing.mean is not None and preprocessing.mean.size != n_features:
        raise ValueError(f"it has {n_features} inputs but {preprocessing.mean.size} means")
    if names is not None and len(names) != n_features:
        raise ValueError(f"its {n_features} inputs have {len(names)} names")
    return SavedNetwork(
        [],
        hidden,
        description["loss"],
        classes,
        preprocessing,
        names,
        targets,
        loss.settings,
    )


def _inputs_and_outputs(file: Any, layers: int) -> tuple[int, int]:
    """How many inputs and outputs a file's layers have, whose arrays fit one another by its header."""
    unexpected = set(file.keys())
    for name in (name for index in range(layers) for name in _names(index)):
        if name not in unexpected:
            raise ValueError(f"there is no array {name!r}")
        unexpected.remove(name)
    if unexpected:
        raise ValueError(f"unexpected array {min(unexpected)!r}")
    n_features = width = next(iter(described(file, _names(0)[0]).shape), 0)
    for index in range(layers):
        weights, biases = (described(file, name) for name in _names(index))
        if (
            len(weights.shape) != 2
            or 0 in weights.shape
            or weights.shape[0] != width
            or biases.shape != (1, weights.shape[1])
        ):
            raise ValueError(f"layer {index} has weights {weights.shape} and biases {biases.shape}")
        if weights.kind not in _FLOATS or biases.kind != weights.kind:
            raise ValueError(f"layer {index} has numbers of type {weights.kind} and {biases.kind}")
        width = weights.shape[1]
    return n_features, width


def _layer(file: Any, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    weights, biases = (file.get_tensor(name) for name in _names(index))
    if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
        raise ValueError(f"layer {index} has a number that is not finite")
    return weights, biases


def _names(index: int) -> tuple[str, str]:
    """Of a layer's weights and biases."""
    return f"layers.{index}.weights", f"layers.{index}.biases"


def _strings(description: dict[str, Any], key: str) -> tuple[str, ...]:
    value = description[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"its {key!r} is no list of strings")
    return tuple(value)


def _classes(labels: Any) -> npt.NDArray[Any]:
    """The labels (n_classes,): NumPy makes every one as long as the longest, so that is looked at before."""
    if not isinstance(labels, list):
        raise ValueError("its 'classes' are no list")
    longest = max((len(label) for label in labels if isinstance(label, str)), default=0)
    if len(labels) * longest > MAX_CLASS_CHARACTERS:
        raise ValueError(f"the labels of its {len(labels):,} classes are too long")
    classes = np.asarray(labels)
    if classes.ndim != 1 or classes.dtype.kind not in "biufU":
        raise ValueError("its 'classes' are no labels")
    return classes
