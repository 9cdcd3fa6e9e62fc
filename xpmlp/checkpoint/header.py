"""What a safetensors file says about its arrays, looked at before any of their bytes is."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp._paths import is_text

MAX_BYTES = 100_000_000
"""Of a header: safetensors refuses longer ones."""

_ONCE_AN_ARRAY = b'"data_offsets"'
"""In a text quotes have a backslash before them, so that nothing in the metadata is counted."""


class Described(NamedTuple):
    """An array as the header has it.

    Attributes
    ----------
    kind : str
        The type of its numbers by safetensors' name, such as "F32".
    shape : tuple of int
    """

    kind: str
    shape: tuple[int, ...]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file: its arrays are read when they are asked for.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    SafetensorError
        If its header is damaged.
    """
    from safetensors import safe_open

    with contextlib.ExitStack() as held:
        if not is_text(path):  # safetensors takes no other names
            link = Path(held.enter_context(tempfile.TemporaryDirectory())) / "link"
            link.symlink_to(path.absolute())
            path = link
        yield held.enter_context(safe_open(path, framework="numpy"))


def count_arrays(path: Path) -> int:
    """How many arrays a header has, in much less time than it takes to read what it says about them.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(min(length, MAX_BYTES)).count(_ONCE_AN_ARRAY)


def described(file: Any, name: str) -> Described:
    """The type and the shape of an array, for which the file has room: safetensors has seen to that.

    Parameters
    ----------
    file : safetensors.safe_open
        Open.
    name : str

    Raises
    ------
    SafetensorError
        If there is no such array.
    """
    array = file.get_slice(name)
    return Described(array.get_dtype(), tuple(array.get_shape()))
