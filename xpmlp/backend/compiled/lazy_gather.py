"""Rows of the data gathered by a compiled step itself, right before it computes with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpmlp._typing import Array

Gather = Callable[[Array, Array, Any, float], Array]


class LazyGather:
    """The result of `Ops.gather`, not materialized yet.

    Gathered ahead for many steps, the rows would pass through memory twice, and on one thread.  It stays lazy when
    reshaped to (..., n_in); every other NumPy function materializes it.

    Parameters
    ----------
    gather : callable
        The operation that would materialize it.
    features : (n, n_in)
        Row-major, of bytes or of ``dtype``.
    rows : (m,) of int64
    dtype : dtype
    scale : float
    shape : tuple of int, optional
        (..., n_in), with as many elements; (m, n_in) if not given.
    """

    def __init__(
        self, gather: Gather, features: Array, rows: Array, dtype: Any, scale: float, shape: tuple[int, ...] = ()
    ) -> None:
        self.gather, self.features, self.rows, self.scale = gather, features, rows, scale
        self.dtype = np.dtype(dtype)
        self.shape = shape or (len(rows), features.shape[1])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def materialize(self) -> Array:
        """Gather the rows into a new array."""
        return self.gather(self.features, self.rows, self.dtype, self.scale).reshape(self.shape)

    def first(self) -> LazyGather:
        """Take index 0 of the first axis."""
        shape = self.shape[1:]
        rows = self.rows[: len(self.rows) // self.shape[0]]
        return LazyGather(self.gather, self.features, rows, self.dtype, self.scale, shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("it is not formed yet")
        return np.asarray(self.materialize(), dtype)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.reshape and len(args) == 2 and args[0] is self and not kwargs:
            reshaped = self._reshaped(args[1])
            if reshaped is not None:
                return reshaped
        return function(*_materialized_within(args), **_materialized_within(kwargs))

    def _reshaped(self, shape: Any) -> LazyGather | None:
        """Return it in another shape (..., n_in); ``None`` for shapes of any other form."""
        if not isinstance(shape, tuple) or len(shape) < 2 or shape.count(-1) > 1:
            return None
        *outer, width = shape
        known = math.prod(size for size in outer if size != -1)
        outer = [len(self.rows) // (known or 1) if size == -1 else size for size in outer]
        if width not in (-1, self.shape[-1]) or math.prod(outer) != len(self.rows):
            return None
        return LazyGather(self.gather, self.features, self.rows, self.dtype, self.scale, (*outer, self.shape[-1]))


def _materialized_within(tree: Any) -> Any:
    """Materialize the lazy gathers among the arguments of a NumPy function."""
    if isinstance(tree, dict):
        return {name: _materialized_within(one) for name, one in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(_materialized_within, tree))
    return materialized(tree)


def _row_by_row(array: Array) -> bool:
    return bool(array.flags.c_contiguous and array.flags.aligned)


def lazily(gather: Gather) -> Gather:
    """Wrap ``gather`` to leave the gathering to a compiled step where one can do it."""

    def gather_later(features: Array, rows: Array, dtype: Any, scale: float) -> Any:
        known = features.dtype in (np.uint8, dtype) and rows.dtype == np.int64
        if not (known and _row_by_row(features) and _row_by_row(rows) and features.size and rows.size):
            return gather(features, rows, dtype, scale)
        return LazyGather(gather, features, rows, dtype, scale)

    return gather_later


def materialized(series: Any) -> Array:
    """Return an array as it is, or materialize a lazy gather."""
    return series.materialize() if isinstance(series, LazyGather) else series
