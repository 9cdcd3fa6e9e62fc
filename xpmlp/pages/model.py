"""Description of a network for the page's script: a tree of layers, its numbers as base64, and the encoding of rows."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Set
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves
from xpmlp.data.tables import TableModel
from xpmlp.data.tables.cells import gap_texts
from xpmlp.data.tables.features import EncodedColumn, EncodedPair, Feature
from xpmlp.errors import XpmlpError
from xpmlp.export.tree import LayerNode, layer_tree, output_transform
from xpmlp.storage import SavedNetwork
from xpmlp.training.decision import saved_decision

MOST_NUMBERS = 600_000
"""Maximum number of parameters in float32; up to twice as many are written as float16."""

MOST_CELLS = 100_000
"""Maximum number of statistics of pairs, which are in the page as text."""

SETTINGS = ("members", "name", "epsilon", "scale", "columns", "firsts")
"""Settings of layers read by the script."""


class TooMuchError(XpmlpError):
    """Error for a network that a page cannot hold or compute; the message gives the reason."""


class _Arrays:
    """Numbers of all matrices, one after another."""

    def __init__(self) -> None:
        self.flat: list[npt.NDArray[Any]] = []
        self.size = 0

    def place(self, matrix: npt.NDArray[Any]) -> list[int]:
        """Append a matrix; return its start, its rows and its columns."""
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
        If the network, or its statistics of pairs of columns, are too large.
    NotExportableError
        As `layer_tree` and `output_transform`: if it has a part from outside the package.
    """
    network, arrays = saved.network, _Arrays()
    if network.n_parameters > 2 * MOST_NUMBERS:
        raise TooMuchError(f"the network has {network.n_parameters:,} numbers, too many for a page of 5 MB")
    tree = _node(layer_tree(network, saved.parameters), arrays)
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
        "transform": output_transform(saved),
        "decision": None if decision is None else decision.model_dump(mode="json"),
        "classes": [str(label) for label in saved.classes.tolist()] or None,
        "mean": None if preprocessing.mean is None else preprocessing.mean.tolist(),
        "std": None if preprocessing.std is None else preprocessing.std.tolist(),
        "fill": [0.0] * network.widths.numbers if preprocessing.mean is None else preprocessing.mean.tolist(),
        "target": None if table is None or table.target.task == "classes" else _target(table),
        "encoding": None if table is None else _encoding(table),
    }


def _target(table: TableModel) -> dict[str, Any]:
    target = table.target
    return {"centers": list(target.centers), "scales": list(target.scales), "log": target.log}


def _node(layer: LayerNode, arrays: _Arrays) -> dict[str, Any]:
    """Describe a layer, and append its parameters to ``arrays``."""
    node: dict[str, Any] = {name: layer.settings[name] for name in SETTINGS if name in layer.settings}
    node["kind"] = layer.kind
    if layer.layers:
        node["layers"] = [_node(one, arrays) for one in layer.layers]
    elif layer.kind == "one_hot":  # integers, which float16 would round
        owners = np.argmax(layer.parameters.spread, axis=0)
        codes = np.stack([owners, layer.parameters.plus[0], layer.parameters.minus[0]], axis=1)
        node["outputs"] = codes.astype(int).tolist()
    else:
        node["arrays"] = [arrays.place(np.asarray(leaf)) for _, leaf in leaves(layer.parameters)]
    return node


def _encoding(table: TableModel) -> dict[str, Any]:
    """Describe the encoding of a table's columns, with only checksums of words, since words come from rows."""
    encoding = table.encoding
    cells = sum(len(one.statistic.cells) * len(one.features) for one in encoding.pairs)
    if cells > MOST_CELLS:
        raise TooMuchError(f"pairs of its table's columns have {cells:,} numbers, too many for a page of 5 MB")
    coded = {one.column.name for one in encoding.columns if one.has_codes}
    return {
        "gaps": sorted(gap_texts(encoding.table_schema.missing)),
        "columns": [_column(one) for one in encoding.columns],
        "indicators": [list(one.columns) for one in encoding.indicators],
        "pairs": [_pair(one, coded) for one in encoding.pairs],
    }


def _pair(one: EncodedPair, coded: Set[str]) -> dict[str, Any]:
    """Describe the statistic of a pair of columns; ``coded`` names the columns with codes."""
    statistic = one.statistic
    sides = [{**side.model_dump(), "codes": side.column in coded} for side in (statistic.first, statistic.second)]
    return {"sides": sides, "cells": statistic.cells, "means": statistic.means, "features": _features(one.features)}


def _features(features: Iterable[Feature]) -> list[dict[str, Any]]:
    return [each.model_dump(include={"part", "center", "scale", "bent"}) for each in features]


def _column(one: EncodedColumn) -> dict[str, Any]:
    """Describe a column: its own features, and separately those of its statistic, which come last."""
    features = _features(one.features)
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
