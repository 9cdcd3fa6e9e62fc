"""Saved networks: one safetensors file with the weights and, as JSON in its metadata, the description of the network.

Nothing is pickled.  Files written by one backend can be read by any other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydantic

from xpmlp._records import is_outside
from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.config import layer_settings
from xpmlp.data import Preprocessing
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import LayerSpec, Loss, Network, Widths, activations, layers, losses, mlp
from xpmlp.storage.sealed import UNREADABLE, count_arrays, opened, write_arrays

FORMAT = "xpmlp weights 2"

OLD_FORMAT = "xpmlp weights 1"
"""Earlier format, of multilayer perceptrons only, which is still read."""

MAX_CLASS_CHARACTERS = 2**24
"""Limit on the number of classes times the length of the longest label."""

MAX_ARRAYS = 100_000
"""Limit on the number of arrays in a header."""

MAX_LAYERS = 10_000
"""Limit on the number of layers of a network, including composite ones."""

MAX_SIZE = 2**31
"""Limit on the widths of inputs and codes, and on whole numbers in a layer's settings."""

MAX_MEMBERS = 10_000
"""Limit on the repetitions of a row by a network; see `xpmlp.nn.layers.repeat`."""

_FLOATS = ("F16", "F32", "F64")
"""Types of parameters, by safetensors' names."""

SECTIONS = frozenset({"table", "decision", "intervals"})
"""Optional sections of a header known to this version, such as an encoder's; a network with an unknown section is
refused, since its predictions would be wrong without it."""


class SavedNetwork(NamedTuple):
    """Network with everything needed for prediction.

    Attributes
    ----------
    parameters : tree of (rows, columns)
        In the structure of the network's layers, on the host; for a multilayer perceptron a list of (weights, biases).
    network : Network
    classes : (n_classes,)
        The label of each output, or of no and yes; empty if the targets were values.
    preprocessing : Preprocessing
    feature_names : tuple of str, or None
    target_names : tuple of str
        The name of each column of targets if they were values; else empty.
    sections : dict, optional
        Further parts of the network, of JSON's types, by names from `SECTIONS`.
    """

    parameters: Parameters
    network: Network
    classes: npt.NDArray[Any]
    preprocessing: Preprocessing
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] = ()
    sections: dict[str, Any] | None = None


def save_network(path: Path, saved: SavedNetwork) -> None:
    """Write a network, whole or not at all."""
    description = {
        "format": FORMAT,
        "layers": saved.network.layers.table(),
        "widths": saved.network.widths._asdict(),
        "loss": saved.network.loss.name,
        "loss_settings": dict(saved.network.loss.settings),
        "classes": saved.classes.tolist(),
        "preprocessing": saved.preprocessing.to_json(),
        "feature_names": saved.feature_names,
        "target_names": saved.target_names,
        **({"sections": saved.sections} if saved.sections else {}),
    }
    write_arrays(path, dict(leaves(saved.parameters, "layers")), {"xpmlp": json.dumps(description)})


def load_network(path: Path) -> SavedNetwork:
    """Read a network; its arrays are read only if the file's description of them is valid.

    Raises
    ------
    RunFolderError
        If the file is missing or damaged, is not a network of xpmlp, or was written by a newer version of xpmlp.
    """
    from safetensors import SafetensorError

    try:
        arrays = count_arrays(path)
        if arrays > MAX_ARRAYS:
            raise ValueError(f"its header has {arrays:,} arrays; at most {MAX_ARRAYS:,} are allowed")
        with opened(path) as file:
            return _read(file, path)
    except FileNotFoundError as error:
        raise RunFolderError(f"there is no {path}: the run has not written its weights.") from error
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, *UNREADABLE, OverflowError, DataError) as error:
        raise RunFolderError(
            f"{path} is not a network that xpmlp has saved, or it is damaged ({str(error)[:200]}): train it again."
        ) from error


def _read(file: Any, path: Path) -> SavedNetwork:
    """Read the content of a file, checking the names, types and shapes of all arrays in the header first."""
    description = json.loads((file.metadata() or {})["xpmlp"])
    sections = dict(description.get("sections", {}))
    for unknown in sorted(sections.keys() - SECTIONS):
        raise RunFolderError(
            f"{path} was written by a newer version of xpmlp, and this one does not know its section {unknown!r}: "
            "install a newer version, or train again."
        )
    targets = _strings(description, "target_names")
    names = None if description["feature_names"] is None else _strings(description, "feature_names")
    if description["loss"] not in losses:
        raise ValueError(f"there is no loss {description['loss']!r}")
    loss = losses[description["loss"]].with_settings(description.get("loss_settings", {}))
    preprocessing = Preprocessing.from_json(description["preprocessing"])
    if description["format"] == OLD_FORMAT:
        network = _perceptron(file, description, loss, preprocessing)
    elif description["format"] == FORMAT:
        widths = Widths(description["widths"]["numbers"], tuple(description["widths"]["codes"]))
        if not all(isinstance(size, int) and 0 <= size <= MAX_SIZE for size in (widths.numbers, *widths.codes)):
            raise ValueError("its 'widths' are no sizes")
        network = Network(_layers(description["layers"]), widths, loss, preprocessing.scale)
        if not 1 <= network.root.repeats <= MAX_MEMBERS:
            raise ValueError(f"it repeats a row less than once, or more than {MAX_MEMBERS:,} times")
    else:
        raise ValueError(f"its format is {description['format']!r}, not {FORMAT!r}")
    classes, (n_features, width) = _classes(description["classes"]), (network.widths.numbers, network.root.width)
    if not targets and loss.n_outputs(0, len(classes)) != width:
        raise ValueError(f"it has {width} outputs but {classes.size} classes")
    if targets and (classes.size or loss.n_outputs(len(targets), 0) != width):
        raise ValueError(f"its {width} outputs have {len(targets)} names and {classes.size} classes")
    if preprocessing.mean is not None and preprocessing.mean.size != n_features:
        raise ValueError(f"it has {n_features} inputs but {preprocessing.mean.size} means")
    if names is not None and len(names) != n_features:
        raise ValueError(f"its {n_features} inputs have {len(names)} names")
    parameters = _parameters(file, network.root.slots)
    if network.root.members != 1:
        raise ValueError("its members need more rows of each example than it makes")
    return SavedNetwork(parameters, network, classes, preprocessing, names, targets, sections or None)


def _perceptron(file: Any, description: dict[str, Any], loss: Loss, preprocessing: Preprocessing) -> Network:
    """Build the network of a file in the old format, with widths from the shapes of its arrays."""
    hidden = _strings(description, "hidden")
    unknown = [name for name in hidden if name not in activations]
    if unknown:
        raise ValueError(f"there is no activation {unknown[0]!r}")
    shapes = [_described(file, f"layers.{index}.weights")[1] for index in range(len(hidden) + 1)]
    if not all(len(shape) == 2 for shape in shapes):
        raise ValueError(f"its layers have weights {', '.join(map(str, shapes))}")
    layers = mlp([columns for _, columns in shapes], hidden)
    return Network(layers, Widths(shapes[0][0]), loss, preprocessing.scale)


def _layers(root: Any) -> LayerSpec:
    """Convert a table to layers, checking their kinds, their number and their settings."""
    tables = [root]
    for count, table in enumerate(tables, start=1):
        if count > MAX_LAYERS:
            raise ValueError(f"it has more than {MAX_LAYERS:,} layers")
        settings = {name: value for name, value in table.items() if name not in ("kind", "layers")}
        _check_settings(table["kind"], settings)
        tables += table.get("layers", [])
    return LayerSpec.of(root)


def _check_settings(kind: str, settings: dict[str, Any]) -> None:
    """Raise a ValueError for unknown settings of a layer, and for values of the wrong type or too large."""
    if is_outside(kind):
        return
    if kind not in layers:
        raise ValueError(f"there is no layer {kind!r}")
    known = layer_settings(layers[kind])
    for name, value in settings.items():
        if isinstance(value, int) and abs(value) > MAX_SIZE:
            raise ValueError(f"a layer {kind!r} has {name} above {MAX_SIZE:,}")
        try:
            known[name].validate_python(value)
        except (KeyError, pydantic.ValidationError) as error:
            raise ValueError(f"a layer {kind!r} has no setting {name} = {str(value)[:50]}") from error


def _parameters(file: Any, slots: Any) -> Parameters:
    """Read the arrays for some slots, checking that they fit by the header and are finite."""
    named, unexpected, kinds = dict(leaves(slots, "layers")), set(file.keys()), set()
    for name, slot in named.items():
        if name not in unexpected:
            raise ValueError(f"there is no array {name!r}")
        unexpected.remove(name)
        kind, shape = _described(file, name)
        if shape != (slot.rows, slot.columns) or 0 in shape:
            raise ValueError(f"{name} has the shape {shape}, and its layer wants {(slot.rows, slot.columns)}")
        if kind not in _FLOATS:
            raise ValueError(f"{name} has numbers of type {kind}")
        kinds.add(kind)
    if unexpected:
        raise ValueError(f"unexpected array {min(unexpected)!r}")
    if len(kinds) > 1:
        raise ValueError(f"its parameters have numbers of types {' and '.join(sorted(kinds))}")
    names = iter(named)
    return map_leaves(lambda _: _finite(file, next(names)), slots)


def _described(file: Any, name: str) -> tuple[str, tuple[int, ...]]:
    """Return the type of an array's numbers, by safetensors' name, and its shape, checked against the file's size."""
    array = file.get_slice(name)
    return array.get_dtype(), tuple(array.get_shape())


def _finite(file: Any, name: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = file.get_tensor(name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a number that is not finite")
    return array


def _strings(description: dict[str, Any], key: str) -> tuple[str, ...]:
    value = description[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"its {key!r} is no list of strings")
    return tuple(value)


def _classes(labels: Any) -> npt.NDArray[Any]:
    """Convert the labels to (n_classes,), checking the longest first, since NumPy pads all labels to its length."""
    if not isinstance(labels, list):
        raise ValueError("its 'classes' are no list")
    longest = max((len(label) for label in labels if isinstance(label, str)), default=0)
    if len(labels) * longest > MAX_CLASS_CHARACTERS:
        raise ValueError(f"the labels of its {len(labels):,} classes are too long")
    classes = np.asarray(labels)
    if classes.ndim != 1 or classes.dtype.kind not in "biufU":
        raise ValueError("its 'classes' are no labels")
    return classes
