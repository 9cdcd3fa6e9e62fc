"""Working memory that successive calls of compiled steps share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


class WorkingMemory:
    """Memory that is kept between calls, since the system clears every page of newly allocated memory.

    With wide tables a step needs hundreds of megabytes, and clearing them takes a sixth of its time.  Not for several
    threads at once.
    """

    def __init__(self) -> None:
        self._kept = np.empty(0, np.uint8)

    @contextlib.contextmanager
    def of(self, size: int) -> Iterator[npt.NDArray[Any]]:
        """Lend at least ``size`` bytes, of any content.

        After an error they are not used again: a worker may still be writing to them.
        """
        lent, self._kept = self._kept, np.empty(0, np.uint8)
        if lent.size < size:
            del lent  # free before allocating
            lent = np.empty(size, np.uint8)
        yield lent
        self._kept = lent

    def free(self) -> None:
        """Free the memory that is kept."""
        self._kept = np.empty(0, np.uint8)
