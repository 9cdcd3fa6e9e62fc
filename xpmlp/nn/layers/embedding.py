"""Categories as trained rows of numbers, looked up within the step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops, rows_below_each_other

if TYPE_CHECKING:
    import numpy as np


class EmbeddingParameters(NamedTuple):
    """``rows``: ([runs,] number of all columns' codes, width), the columns' tables below each other."""

    rows: Array


class Looked(NamedTuple):
    """Rows of the table looked up for a batch, and the derivatives that train them.

    Attributes
    ----------
    table : ([runs,] number of codes, width)
    numbers : ([runs,] batch * columns), int32
        Row numbers in the table.
    rows : ([runs,] batch * columns, width)
        The derivative with respect to each of them; 0 for the first row of a column.
    """

    table: Array
    numbers: Array
    rows: Array


def embedding(width: Count = 8, columns: Sequence[int] | None = None) -> LayerMaker:
    """Look up a trained row of ``width`` numbers for each column's code, and concatenate these rows.

    The row of code 0, for categories never seen in training, is zero and stays so; code 1, of missing ones, has a row
    like any other.  Rows begin uniform on ``+- 1 / sqrt(width)``.

    Parameters
    ----------
    width : int
    columns : sequence of int, optional
        The columns of `Inputs.codes`; all if not given.

    References
    ----------
    Gorishniy, Rubachev, Khrulkov and Babenko, Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021.
    """

    def make(widths: Widths | int) -> Layer:
        chosen, sizes = chosen_columns(widths, columns)
        firsts = [0, *itertools.accumulate(sizes)]

        def first(generator: np.random.Generator) -> Any:
            rows = generator.uniform(-1, 1, (firsts[-1], width)) / math.sqrt(width)
            rows[firsts[:-1]] = 0
            return rows

        def forward(ops: Ops, parameters: EmbeddingParameters, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array]]:
            xp, every = ops.xp, x.codes
            parts = [every[..., column : column + 1] for column in chosen]
            codes = xp.concat(parts, axis=-1)
            numbers = xp.concat([part + first for part, first in zip(parts, firsts[:-1], strict=True)], axis=-1)
            *lead, batch, _ = codes.shape
            numbers = xp.reshape(numbers, (*lead, batch * len(chosen)))
            table, places = rows_below_each_other(xp, parameters.rows, numbers)
            y = xp.reshape(xp.take(table, places, axis=0), (*lead, batch, len(chosen) * width))
            return y, (codes, numbers)

        def backward(
            ops: Ops, parameters: EmbeddingParameters, residuals: tuple[Array, Array], upstream: Array, wanted: bool
        ) -> tuple[None, Looked]:
            codes, numbers = residuals
            rows = ops.xp.reshape(upstream, (*numbers.shape, width))
            known = ops.xp.reshape(ops.xp.astype(codes > 0, rows.dtype), (*numbers.shape, 1))
            return None, Looked(parameters.rows, numbers, rows * known)

        settings = {"width": width, **({} if columns is None else {"columns": list(columns)})}
        slots = EmbeddingParameters(Slot("embeddings", firsts[-1], width, first))
        return Layer.of("embedding", settings, len(chosen) * width, slots, forward, backward, gradients, fresh=True)

    return make


def gradients(ops: Ops, factors: Looked, divisor: Any) -> EmbeddingParameters:
    """Sum, for each row of the table, the derivatives with respect to its uses in the batch."""
    return EmbeddingParameters(ops.add_rows(*factors) / divisor)


def chosen_columns(widths: Widths | int, columns: Sequence[int] | None) -> tuple[list[int], list[int]]:
    """Return the columns that a layer takes, and the number of codes of each.

    Raises
    ------
    ValueError
        If the input has no such columns.
    """
    if isinstance(widths, int):
        raise ValueError("categories are looked up from codes, which only a first layer is given.")
    sizes = widths.codes
    chosen = list(range(len(sizes)) if columns is None else columns)
    if not all(0 <= column < len(sizes) for column in chosen):
        raise ValueError(f"columns {chosen} of categories are asked for, but the input has {len(sizes)}.")
    return chosen, [sizes[column] for column in chosen]
