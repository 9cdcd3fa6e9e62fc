"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from xpmlp.errors import XpmlpError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and, if the block succeeds, move it there in one step.

    The content is flushed to the disk before the move and the folder after it, so that after a crash the file
    is either the old one or the new one.  If the block raises, ``path`` is untouched and no debris is left.

    Raises
    ------
    OSError
        If the folder cannot be written to, or the disk is full.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part" + path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _flush_to_disk(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are inputs, by this or another name: relative, through links, or a hard link.

    Parameters
    ----------
    outputs : iterable of Path
        Files, and folders with all that is in them.
    inputs : iterable of Path
        Files.

    Raises
    ------
    XpmlpError
        If an input is among the outputs.
    """
    read = list(inputs)
    for output in outputs:
        for path in read:
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # not there, or a link to itself
                if any(output.samefile(place) for place in (path, *path.resolve().parents)):
                    raise XpmlpError(f"the output {output} would replace {path}, which is read: choose another output.")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, its line ends as they are, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The process's file mode mask, which the standard library can only tell by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
