"""Filling an array from a file whose header has promised its size, and how much such a header may promise."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedIOBase
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_MAX_BYTES = 2**30
"""The limit in decompressed bytes; anything larger is refused."""

MAX_DEFLATE_RATIO = 1032
"""Deflate spends at least two bits on a copy of at most 258 bytes, so it cannot compress beyond 1032 to 1."""

_CHUNK = 1 << 20


def read_elements(
    content: IO[bytes] | BufferedIOBase,
    flat: NDArray[Any],
    see: Callable[[memoryview], object] = lambda piece: None,
) -> int:
    """Fill ``flat``, (n,), with what comes next in ``content``, in place.

    Parameters
    ----------
    content : binary file
    flat : (n,), contiguous
    see : (memoryview) -> object
        Is shown each piece that was read.

    Returns
    -------
    read : int
        The bytes read: fewer than the array's where ``content`` ends before.
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
