"""A network as the page's script takes it: a tree of layers, its numbers as base64, and how rows become its input."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._records import is_outside
from xpmlp._tree import leaves
from xpmlp.data.tables import TableModel
from xpmlp.data.tables.features import EncodedColumn
from xpmlp.errors import XpmlpError
from xpmlp.initializers import initializers
from xpmlp.nn import LayerSpec
from xpmlp.nn.layer import Widths, width_of
from xpmlp.nn.layers.embedding import chosen_columns
from xpmlp.storage import SavedNetwork
from xpmlp.training.decision import saved_decision

JOINED = frozenset({"beside", "chain", "plus", "vote"})

KINDS = JOINED | {
    *("activation", "adapters", "dense", "dropout", "embedding", "normalisation", "one_hot", "parametric", "periodic"),
    *("piecewise_linear", "repeat", "scaling"),
}
"""The layers that the script knows; all others that a config can name are made of them."""

MOST_NUMBERS = 600_000
"""Of a page in float32; beyond it they are written as float16, up to twice as many."""

SETTINGS = ("members", "name", "epsilon")
"""The settings of layers that the script reads."""


class TooMuchError(XpmlpError):
    """A network that a page cannot hold or compute; its text says why."""


class _Arrays:
    """The numbers of all matrices, one after another."""

    def __init__(self) -> None:
        self.flat: list[npt.NDArray[Any]] = []
        self.size = 0

    def place(self, matrix: npt.NDArray[Any]) -> list[int]:
        """Append a matrix: where it begins, its rows and its columns."""
        begin = self.size
        self.flat.append(matrix.ravel())
        self.size += matrix.size
        return [begin, *matrix.shape]


def page_model(saved: SavedNetwork, table: TableModel | None) -> dict[str, Any]:
    """Describe a network for the script of a page.

    Parameters
    ----------
    saved : SavedNetwork
    table : TableModel, optional

    Raises
    ------
    TooMuchError
        If the network is too large, or has layers or a loss that the script does not know.
    """
    network, arrays = saved.network, _Arrays()
    if network.n_parameters > 2 * MOST_NUMBERS:
        raise TooMuchError(f"the network has {network.n_parameters:,} numbers, too many for a page of 5 MB")
    root = network.root
    described = LayerSpec.of({"kind": root.name, **root.settings})
    tree = _node(described, network.widths, saved.parameters, arrays)
    half = network.n_parameters > MOST_NUMBERS
    numbers = np.concatenate(arrays.flat or [np.zeros(0)])
    with np.errstate(over="ignore"):
        numbers = numbers.astype("<f2" if half else "<f4")
    preprocessing, decision = saved.preprocessing, saved_decision(saved)
    return {
        "root": tree,
        "weights": base64.b64encode(numbers.tobytes()).decode(),
        "half": half,
        "input_scale": network.input_scale,
        "transform": _transform(saved),
        "decision": None if decision is None else decision.model_dump(mode="json"),
        "classes": [str(label) for label in saved.classes.tolist()] or None,
        "mean": None if preprocessing.mean is None else preprocessing.mean.tolist(),
        "std": None if preprocessing.std is None else preprocessing.std.tolist(),
        "fill": [0.0] * network.widths.numbers if preprocessing.mean is None else preprocessing.mean.tolist(),
        "target": None if table is None or table.target.task == "classes" else _target(table),
        "encoding": None if table is None else _encoding(table),
    }


def _transform(saved: SavedNetwork) -> str:
    name = saved.network.loss.out_activation
    if name not in ("identity", "exp", "logistic", "softmax"):
        raise TooMuchError(f"the loss {saved.network.loss.name!r} is not one that a page can compute")
    return name


def _target(table: TableModel) -> dict[str, Any]:
    target = table.target
    return {"centers": list(target.centers), "scales": list(target.scales), "log": target.log}


def _node(spec: LayerSpec, widths: Widths | int, parameters: Any, arrays: _Arrays) -> dict[str, Any]:
    """Describe a layer for an input of these widths, and append its parameters to ``arrays``."""
    if spec.kind not in KINDS:
        raise TooMuchError(f"the layer {spec.kind!r} is not one that a page can compute")
    settings = dict(spec.settings)
    if is_outside(settings.get("name", "")):
        raise TooMuchError(f"the activation {settings['name']!r} is not one that a page can compute")
    node: dict[str, Any] = {"kind": spec.kind, **{name: settings[name] for name in SETTINGS if name in settings}}
    if spec.kind in JOINED:
        own, node["layers"] = iter(parameters), []
        for member in spec.members:
            layer = member.maker()(widths)
            node["layers"].append(_node(member, widths, next(own) if layer.slots != () else (), arrays))
            widths = layer.width if spec.kind == "chain" else widths
        return node
    if spec.kind == "dense":
        node["scale"] = initializers[settings["init"]].forward_scale(width_of(widths))
    if spec.kind == "embedding":
        node["columns"], sizes = chosen_columns(widths, settings.get("columns"))
        node["firsts"] = [int(sum(sizes[:place])) for place in range(len(sizes))]
    if spec.kind == "one_hot":  # whole numbers, which float16 would round
        owners = np.argmax(parameters.spread, axis=0)
        codes = np.stack([owners, parameters.plus[0], parameters.minus[0]], axis=1)
        node["outputs"] = codes.astype(int).tolist()
        return node
    node["arrays"] = [arrays.place(np.asarray(leaf)) for _, leaf in leaves(parameters)]
    return node


def _encoding(table: TableModel) -> dict[str, Any]:
    """Describe the encoding of a table's columns; of words only a checksum, since they come from rows."""
    columns = [_column(one) for one in table.encoding.columns]
    return {"columns": columns, "indicators": [list(one.columns) for one in table.encoding.indicators]}


def _column(one: EncodedColumn) -> dict[str, Any]:
    """Describe a column: its own features, and apart from them those of its statistic, which are the last ones."""
    features = [each.model_dump(include={"part", "center", "scale", "bent"}) for each in one.features]
    own, statistic = len(features) - (one.statistic.width if one.statistic else 0), None
    if one.statistic is not None:
        statistic = {
            "features": features[own:],
            "means": one.statistic.means,
            "edges": one.statistic.edges,
            "words": list(map(_checksum, one.statistic.words)),
        }
    return {
        "name": one.column.name,
        "kind": one.column.kind,
        "codes": one.has_codes,
        "zone": one.column.zone,
        "features": features[:own],
        "words": list(map(_checksum, one.words)),
        "statistic": statistic,
    }


def _checksum(word: str) -> int:
    return zlib.crc32(word.encode())
