"""Dropout masks in one pass over their numbers, where the definition in `xpmlp.nn.ops` takes fifteen."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.backend.compiled.compilation import kept_on_disk
from xpmlp.nn.hashing import FIRST, SECOND


def mask(
    rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32], least: Any, factor: Any, dtype: Any
) -> npt.NDArray[Any]:
    """Compute the masks of `xpmlp.nn.ops.mask`, to the bit."""
    batch, lead = rows.shape[-1], rows.shape[:-1]
    masks = np.empty((math.prod(lead), batch, len(columns)), dtype)

    def of_each(number: Any, kind: Any) -> npt.NDArray[Any]:
        return np.broadcast_to(np.asarray(number, kind), (*lead, 1, 1)).reshape(-1)

    fill = _compiled(masks.dtype.type)
    fill(rows.reshape(-1, batch), columns, of_each(least, np.int32), of_each(factor, dtype), masks)
    return masks.reshape(*rows.shape, len(columns))


def _fill(rows: Any, columns: Any, least: Any, factor: Any, masks: Any) -> None:
    """Fill ``masks`` (n, batch, width) from ``rows`` (n, batch), ``columns`` (width,), ``least``, ``factor`` (n,)."""
    nothing = masks.dtype.type(0)
    for n in range(len(rows)):
        bound, kept = least[n], factor[n]
        for i in range(rows.shape[1]):
            row, out = rows[n, i], masks[n, i]  # with these as local names the inner loop is vectorized
            for j in range(len(columns)):
                number = np.int32(row + columns[j])
                number = np.int32(number ^ ((number >> 16) & 0xFFFF))
                number = np.int32(number * FIRST)
                number = np.int32(number ^ ((number >> 15) & 0x1FFFF))
                number = np.int32(number * SECOND)
                number = np.int32(number ^ ((number >> 16) & 0xFFFF))
                out[j] = kept if number >= bound else nothing


@functools.cache
def _compiled(real: type) -> Any:
    """Return `_fill` compiled for masks of this NumPy type."""
    integers = np.zeros(1, np.int32)
    example: tuple[Any, ...] = integers[None], integers, integers, np.zeros(1, real), np.zeros((1, 1, 1), real)
    return kept_on_disk(_fill, example, nogil=True)
