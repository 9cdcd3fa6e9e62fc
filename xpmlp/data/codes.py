"""Category codes, looked up within a training step: 0 for never seen, 1 for missing, the others from 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpmlp.errors import DataError


def check_codes(codes: NDArray[Any], n: int, source: str) -> NDArray[Any]:
    """Check category codes and return them as a contiguous array (n, columns); (n,) becomes one column.

    Raises
    ------
    DataError
        If they are not integers, one is negative, or they have another shape.
    """
    if codes.dtype.kind not in "iu":
        raise DataError(f"{source} are of type {codes.dtype}: give whole numbers, stored as integers")
    if codes.ndim == 1:
        codes = codes[:, None]
    if codes.ndim != 2 or len(codes) != n or not codes.shape[1]:
        raise DataError(f"{source} have the shape {codes.shape}; (n, columns) is needed, with {n} examples")
    negative = (codes < 0).any(axis=1)
    if negative.any():
        raise DataError(f"{source} have a negative number in row {negative.argmax() + 1}: codes begin at 0")
    return np.ascontiguousarray(codes, dtype=codes.dtype.newbyteorder("="))


def count_codes(codes: NDArray[Any] | None) -> tuple[int, ...]:
    """Count the codes of each column of the training part: the largest code plus 1.

    Raises
    ------
    DataError
        If there are more codes than an embedding table can have rows.
    """
    counts = () if codes is None else tuple(int(largest) + 1 for largest in codes.max(axis=0))
    if sum(counts) >= 2**31:
        raise DataError(f"codes of categories go up to {max(counts) - 1:,}: number the categories from 2 on")
    return counts


def known_codes(codes: NDArray[Any], counts: tuple[int, ...]) -> NDArray[np.int32]:
    """Replace codes beyond the training part's with 0, the code of categories never seen."""
    known: NDArray[np.int32] = np.where(codes < np.asarray(counts), codes, 0).astype(np.int32)
    return known
