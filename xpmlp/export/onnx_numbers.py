"""Raw numbers in ONNX operators: missing values, and positions among edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xpmlp.export.graph import Graph, f64, shape


def finite(graph: Graph, raw: str) -> str:
    """Replace infinities by NaN."""
    return graph("Add", raw, graph("Sub", raw, raw))


def places_of(graph: Graph, source: str, edges: Sequence[float]) -> str:
    """Find the index of each number (N, 1) among edges, as `xpmlp.data.tables.statistics.binned` does, by bisection."""
    place = graph.cast(graph("Not", graph("IsNaN", source)), np.int64)
    steps = [2**power for power in reversed(range(len(edges).bit_length()))]
    padded = np.concatenate([f64(edges), np.full(2 ** len(steps) - 1 - len(edges), np.inf)])
    for step in steps:
        edge = graph("Gather", padded, graph("Add", place, shape(step - 2)))
        above = graph.cast(graph("Less", edge, source), np.int64)
        place = graph("Add", place, graph("Mul", above, shape(step)))
    return place
