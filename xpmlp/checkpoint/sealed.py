"""Named arrays with a description in one safetensors file, under a checksum of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._files import write_bytes
from xpmlp.checkpoint.header import opened

Tensors = dict[str, npt.NDArray[Any]]

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What safetensors and json raise for damaged files beside SafetensorError; AttributeError for a type of numbers that
NumPy lacks, such as float8."""


class Damaged(Exception):  # noqa: N818  (no mistake of the reader's: there may be an older file)
    """A file that is not what was written; its text says what is wrong with it."""


class Sealed(NamedTuple):
    """What such a file holds.

    Attributes
    ----------
    description : dict
        Of JSON's types.
    tensors : dict of arrays
    """

    description: dict[str, Any]
    tensors: Tensors


def write_sealed(path: Path, description: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays and a description of JSON's types, whole or not at all.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to.
    """
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    text = json.dumps(description)
    write_bytes(path, save(contiguous, metadata={"xpmlp": text, "sha256": _checksum(text, contiguous)}))


def read_sealed(path: Path) -> Sealed:
    """Read what `write_sealed` has written.

    Raises
    ------
    Damaged
        If a byte of it is another, or it is no such file.
    OSError
        If it is missing or cannot be read.
    """
    from safetensors import SafetensorError

    try:
        with opened(path) as file:
            metadata = file.metadata() or {}
            text, checksum = metadata["xpmlp"], metadata["sha256"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        if checksum != _checksum(text, tensors):
            raise Damaged("its checksum is not that of its content")
        description = json.loads(text)
    except (SafetensorError, *UNREADABLE) as error:
        raise Damaged(f"it is not a whole safetensors file of xpmlp: {error}") from error
    if not isinstance(description, dict):
        raise Damaged("its description is no table")
    return Sealed(description, tensors)


def _checksum(text: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """The SHA-256 of the description, and of the name, type, shape and bytes of every array."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
