"""The losses of a run's batches: a file that only grows, so that a checkpoint costs no more after a million steps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._files import flush
from xpmlp.checkpoint.sealed import Damaged

_TYPE = np.dtype("<f8")


class Journal:
    """Numbers in a file, as float64, which holds float32 exactly.

    What counts is the part that a checkpoint's `seal` is about.  Whatever comes after it, a process that was killed
    has left, and is written over.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values, self._pieces, self._digest = 0, 0, hashlib.sha256()

    @property
    def seal(self) -> list[Any]:
        """How many numbers there are, and their checksum: what `reopen` needs to find and to check them."""
        return [self._values, self._digest.hexdigest()]

    def extend(self, pieces: Sequence[npt.NDArray[Any]]) -> None:
        """Append what is new in a growing list of arrays, through to the disk.

        Raises
        ------
        OSError
            If the disk is full or the file cannot be written; the numbers before are as they were.
        """
        new = b"".join(piece.astype(_TYPE).tobytes() for piece in pieces[self._pieces :])
        if not new:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(self._values * _TYPE.itemsize)
            file.write(new)
            file.truncate()
            file.flush()
            flush(file.fileno(), self.path)
        self._values += len(new) // _TYPE.itemsize
        self._pieces = len(pieces)
        self._digest.update(new)

    def reopen(self, seal: Sequence[Any]) -> npt.NDArray[np.float64]:
        """Go on after the numbers that a seal is about, and give them back, (steps,).

        They count as one piece for `extend`, or none if there are none.

        Raises
        ------
        Damaged
            If they are not there, or are others.
        OSError
            If the file cannot be read.
        """
        values, checksum = seal
        length = values * _TYPE.itemsize
        content = b""
        if values:
            with self.path.open("rb") as file:
                content = file.read(min(length, os.fstat(file.fileno()).st_size))
        digest = hashlib.sha256(content)
        if len(content) != length or digest.hexdigest() != checksum:
            raise Damaged(f"{self.path.name} does not hold its {values:,} losses")
        self._values, self._pieces, self._digest = values, min(values, 1), digest
        return np.frombuffer(content, dtype=_TYPE)
