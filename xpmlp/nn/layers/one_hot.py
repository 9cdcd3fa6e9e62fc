"""Categories as one-hot numbers, made within the step; and the choice between one-hot and embedded columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Tree, Widths
from xpmlp.nn.layers.embedding import chosen_columns, embedding
from xpmlp.nn.layers.joining import beside
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np
MISSING, FIRST = 1, 2
"""Codes of a missing category and of the first category."""


class OneHotParameters(NamedTuple):
    """Constants of the step, as matrices like all parameters: the codes that make an output 1 or -1.

    Attributes
    ----------
    spread : ([runs,] columns, width)
        1 where an output belongs to a column; it copies the codes to their outputs.
    plus, minus : ([runs,] 1, width)
        The codes for which an output is 1, and for which it is -1 (-1 if there is none).
    """

    spread: Array
    plus: Array
    minus: Array


def one_hot(columns: Sequence[int] | None = None) -> LayerMaker:
    """Make one-hot numbers, one for each category of a column and one for missing values; unknown categories are all 0.

    Two categories share a number, -1 and 1.  Nothing is trained.

    Parameters
    ----------
    columns : sequence of int, optional
        The columns of `Inputs.codes`; all if not given.
    """

    def make(widths: Widths | int) -> Layer:
        chosen, sizes = chosen_columns(widths, columns)
        columns_given = 0 if isinstance(widths, int) else len(widths.codes)

        def init(generator: np.random.Generator) -> OneHotParameters:
            import numpy as np

            outputs = [
                (column, plus, minus)
                for column, size in zip(chosen, sizes, strict=True)
                for plus, minus in (
                    [(MISSING, -1), (3, FIRST)] if size == 4 else [(code, -1) for code in range(1, size)]
                )
            ]
            owner, plus, minus = np.asarray(outputs, dtype=np.float64).reshape(-1, 3).T
            spread = np.arange(columns_given)[:, None] == owner
            return OneHotParameters(spread.astype(np.float64), plus[None], minus[None])

        settings = {} if columns is None else {"columns": list(columns)}
        width = sum(2 if size == 4 else max(size - 1, 0) for size in sizes)
        slots = OneHotParameters(*(Slot("state", rows, width) for rows in (columns_given, 1, 1)))
        return Layer.of("one_hot", settings, width, slots, forward, backward, gradients, init=init, fresh=True)

    return make


def categories(width: Count = 8, one_hot_up_to: int = 9) -> LayerMaker:
    """Encode all category columns: one-hot if they have few categories, else embedded.

    Parameters
    ----------
    width : int
        Width of the embeddings.
    one_hot_up_to : int
        Maximum number of categories of a one-hot column, codes 0 and 1 not counted.
    """

    def make(widths: Widths | int) -> Layer:
        every, sizes = chosen_columns(widths, None)
        few = [column for column, size in zip(every, sizes, strict=True) if size - FIRST <= one_hot_up_to]
        many = [column for column, size in zip(every, sizes, strict=True) if size - FIRST > one_hot_up_to]
        return beside(one_hot(few), embedding(width, many))(widths)

    return make


def forward(ops: Ops, parameters: OneHotParameters, x: Any, noise: Any) -> tuple[Array, None]:
    """Compare the code of each output's column with the codes for which the output is 1 and -1."""
    xp, (spread, plus, minus) = ops.xp, parameters
    # small integers, which the product keeps exact; it is written as one of the fused operations
    codes = ops.multiply_transposed(xp.astype(x.codes, spread.dtype), xp.matrix_transpose(spread))
    return xp.astype(codes == plus, spread.dtype) - xp.astype(codes == minus, spread.dtype), None


def backward(ops: Ops, parameters: OneHotParameters, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
    """Codes have no derivative."""
    return None, parameters


def gradients(ops: Ops, factors: OneHotParameters, divisor: Any) -> OneHotParameters:
    """Return the parameters unchanged."""
    return factors
