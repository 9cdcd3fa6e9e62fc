"""Named arrays with a description of JSON's types in one safetensors file; nothing is pickled.

`write_sealed` adds a checksum of both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._files import write_bytes
from xpmlp._paths import is_text

Tensors = dict[str, npt.NDArray[Any]]

MAX_BYTES = 100_000_000
"""Maximum length of a header: safetensors refuses longer ones."""

_ONCE_AN_ARRAY = b'"data_offsets"'
"""Key found once per array; in the metadata quotes are escaped by a backslash, so that nothing there is counted."""

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""Errors of safetensors and json for damaged files, besides SafetensorError; AttributeError for a type of numbers that
NumPy lacks, such as float8."""


class Damaged(Exception):  # noqa: N818  (no mistake of the reader's: there may be an older file)
    """Error for a file that differs from the written one; the message describes the damage."""


class Sealed(NamedTuple):
    """Content of a sealed file.

    Attributes
    ----------
    description : dict
        Of JSON's types.
    tensors : dict of arrays
    """

    description: dict[str, Any]
    tensors: Tensors


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; its arrays are read on request.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    SafetensorError
        If its header is damaged.
    """
    from safetensors import safe_open

    with contextlib.ExitStack() as held:
        if not is_text(path):  # safetensors accepts no other names
            link = Path(held.enter_context(tempfile.TemporaryDirectory())) / "link"
            link.symlink_to(path.absolute())
            path = link
        yield held.enter_context(safe_open(path, framework="numpy"))


def count_arrays(path: Path) -> int:
    """Count the arrays of a header, much faster than by parsing it.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(min(length, MAX_BYTES)).count(_ONCE_AN_ARRAY)


def write_sealed(path: Path, description: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays and a description of JSON's types, whole or not at all.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to.
    """
    text = json.dumps(description)
    write_arrays(path, tensors, {"xpmlp": text, "sha256": _checksum(text, tensors)})


def write_arrays(path: Path, tensors: Mapping[str, npt.NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all; errors as for `write_sealed`."""
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    write_bytes(path, save(contiguous, metadata=metadata))


def read_sealed(path: Path) -> Sealed:
    """Read a file written by `write_sealed`.

    Raises
    ------
    Damaged
        If any byte has changed, or it is not such a file.
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
    """Compute the SHA-256 of the description, and of the name, type, shape and bytes of every array."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
