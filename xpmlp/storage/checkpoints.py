"""A training's last checkpoints in a folder, and the losses of all its batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._files import flush
from xpmlp.errors import RunFolderError
from xpmlp.storage.sealed import Damaged, Tensors, read_sealed, write_sealed

FORMAT = "xpmlp checkpoint 3"

_FORMATS_BEFORE = ("xpmlp checkpoint 1", "xpmlp checkpoint 2")

_NAMES = "step-*.safetensors"

_TYPE = np.dtype("<f8")


class Checkpoint(NamedTuple):
    """Content of a checkpoint.

    Attributes
    ----------
    path : Path
    description : dict
        Of JSON's types.
    tensors : dict of arrays
    losses : list of (steps,)
        The mean loss of every batch, in float64, for each run.
    """

    path: Path
    description: dict[str, Any]
    tensors: Tensors
    losses: list[npt.NDArray[np.float64]]


class CheckpointWriter:
    """Writer of a training's checkpoints, each whole or not at all; keeps the last ones.

    Parameters
    ----------
    folder : Path
        Created if it is missing.
    runs : int
        Number of runs of the training.
    keep : int
        Number of checkpoints to keep.
    start : Checkpoint, optional
        The checkpoint in this folder from which the training resumes.
    """

    def __init__(self, folder: Path, runs: int, keep: int, start: Checkpoint | None = None) -> None:
        self.folder, self.keep = folder, keep
        self._journals = [_journal(folder, run) for run in range(runs)]
        self._intact: list[Path] = []
        if start is not None:
            for journal, seal in zip(self._journals, start.description["losses"], strict=True):
                journal.reopen(seal)
            self._intact = [path for path in _checkpoints(folder) if path.name <= start.path.name]

    def write(
        self,
        step: int,
        description: Mapping[str, Any],
        tensors: Mapping[str, npt.NDArray[Any]],
        losses: Sequence[Sequence[npt.NDArray[Any]]],
    ) -> Path:
        """Write a checkpoint, then remove outdated and damaged ones.

        Parameters
        ----------
        step : int
            Steps since the beginning of the training.
        description : dict
            Of JSON's types.
        tensors : dict of arrays
        losses : for each run a list of arrays
            The mean loss of every batch since the beginning; extends the list of the last call.

        Returns
        -------
        path : Path

        Raises
        ------
        OSError
            If the disk is full or the folder cannot be written to; earlier checkpoints are unchanged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for journal, pieces in zip(self._journals, losses, strict=True):
            journal.extend(pieces)
        path = self.folder / _NAMES.replace("*", f"{step:012d}")
        seals = [journal.seal for journal in self._journals]
        write_sealed(path, {**description, "format": FORMAT, "losses": seals}, tensors)
        self._intact = [*(older for older in self._intact if older != path), path][-self.keep :]
        for other in _checkpoints(self.folder):
            if other not in self._intact:
                other.unlink()
        return path


def newest_checkpoint(folder: Path, tell: Callable[[str], None]) -> Checkpoint | None:
    """Read the newest intact checkpoint of a folder.

    Parameters
    ----------
    folder : Path
    tell : (str) -> None
        Called with a sentence about each damaged checkpoint.

    Returns
    -------
    checkpoint : Checkpoint or None
        ``None`` if there is none.

    Raises
    ------
    RunFolderError
        If all checkpoints are damaged, or one cannot be read or was written by an earlier version of xpmlp.
    """
    paths = _checkpoints(folder)
    for path in reversed(paths):
        try:
            return _read(path)
        except Damaged as error:
            tell(f"the checkpoint {path.name} is damaged ({error}); the one before it is tried")
        except OSError as error:
            raise RunFolderError(f"the checkpoint {path} cannot be read: {error.strerror or error}.") from error
    if paths:
        raise RunFolderError(f"every checkpoint in {folder} is damaged: train again with --overwrite.")
    return None


def _read(path: Path) -> Checkpoint:
    description, tensors = read_sealed(path)
    written = description.get("format")
    if written in _FORMATS_BEFORE:
        raise RunFolderError(f"{path} was written by an earlier version of xpmlp: train again with --overwrite.")
    if written != FORMAT:
        raise Damaged(f"its format is {written!r}, not {FORMAT!r}")
    try:
        losses = [_journal(path.parent, run).reopen(seal) for run, seal in enumerate(description["losses"])]
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise Damaged(f"its list of losses cannot be read: {error}") from error
    except FileNotFoundError as error:
        raise Damaged("the losses beside it are missing") from error
    return Checkpoint(path, description, tensors, losses)


def _journal(folder: Path, run: int) -> Journal:
    return Journal(folder / f"losses-{run}.f64")


def _checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, sorted by step, which is independent of the clock."""
    return sorted(folder.glob(_NAMES))


class Journal:
    """Append-only file of the losses of a run's batches, so that a checkpoint costs no more after a million steps.

    Losses are stored as float64, which holds float32 exactly.

    Only the part covered by a checkpoint's `seal` is valid.  Anything after it was left by a killed process and is
    overwritten.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values, self._pieces, self._digest = 0, 0, hashlib.sha256()

    @property
    def seal(self) -> list[Any]:
        """The number of losses and their checksum, for `reopen` to find and check them."""
        return [self._values, self._digest.hexdigest()]

    def extend(self, pieces: Sequence[npt.NDArray[Any]]) -> None:
        """Append the new arrays of a growing list and flush them to disk.

        Raises
        ------
        OSError
            If the disk is full or the file cannot be written; the earlier losses are unchanged.
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
        """Continue after the losses covered by a seal, and return them, (steps,).

        They count as one piece for `extend`, or none if there are none.

        Raises
        ------
        Damaged
            If they are missing or do not match the seal.
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
