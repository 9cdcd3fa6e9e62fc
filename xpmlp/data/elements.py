"""Reading of array elements from a file whose header announces their size, and limits on that size."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedIOBase
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_MAX_BYTES = 2**30
"""The limit in decompressed bytes; anything larger is refused."""

MAX_DEFLATE_RATIO = 1032
"""Deflate's compression limit: it spends at least two bits on a copy of at most 258 bytes."""

_CHUNK = 1 << 20


def read_elements(
    content: IO[bytes] | BufferedIOBase,
    flat: NDArray[Any],
    see: Callable[[memoryview], object] = lambda piece: None,
) -> int:
    """Fill ``flat``, (n,), in place with the next bytes of ``content``.

    Parameters
    ----------
    content : binary file
    flat : (n,), contiguous
    see : (memoryview) -> object
        Called with each piece read.

    Returns
    -------
    read : int
        The number of bytes read: fewer than the array's if ``content`` ends early.
    """
    elements = flat.view(np.uint8).data
    read = 0
    while read < len(elements):
        piece = content.read(min(_CHUNK, len(elements) - read))
        if not piece:
            break
        elements[read : read + len(piece)] = piece
        see(memoryview(piece))
        read += len(piece)
    return read
