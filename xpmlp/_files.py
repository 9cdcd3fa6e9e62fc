"""Atomic writing of files."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from xpmlp._notices import notice_once
from xpmlp._paths import os_errors_as
from xpmlp.errors import XpmlpError

REFUSED = frozenset({errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
"""The errors of a file system that lacks an operation: network mounts and FUSE differ in their choice."""

_NO_FLUSH = REFUSED | {errno.EACCES, errno.EBADF, errno.EISDIR}
"""The same for flushing; a folder that is writable but not readable cannot be opened for it."""

_NO_MOVE = REFUSED | {errno.EXDEV, errno.EBUSY}
"""The same for moving; a file mounted into a container by itself cannot be replaced."""

_KEPT = 24
"""Characters of a file's name kept in that of its temporary file: the longest names leave no room for additions, and
the names of a run's files, by which debris is recognised, are shorter."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and, if the block succeeds, move it there in one step.

    The content is flushed to the disk before the move and the folder after it, so that after a crash the file is either
    the old or the new one.  If the block raises, ``path`` is untouched and no debris is left.  Where the file system
    cannot flush or move, this is skipped, with a single notice.

    Raises
    ------
    OSError
        If the folder cannot be written to, the disk is full, or ``path`` is a device, a pipe or a socket.
    """
    _refuse_special(path)
    temporary = _new_file(path)
    try:
        yield temporary
        with temporary.open("r+b") as file:
            flush(file.fileno(), temporary)
        move(temporary, path)
        _flush_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are also inputs, even under another name: relative, through links, or a hard link.

    Parameters
    ----------
    outputs : iterable of Path
        Files, and folders with all their contents.
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


def check_writable(path: Path, *, makes_folders: bool = False) -> None:
    """Raise the error of writing a file, as far as its folder can tell, before anything is computed.

    Parameters
    ----------
    path : Path
    makes_folders : bool
        Whether missing folders will be created.

    Raises
    ------
    OSError
        If the path is a folder, a device, a pipe or a socket, or the file's folder (or the one in which missing folders
        will be created) is missing or not writable.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _refuse_special(path)
    folder = path.parent
    while makes_folders and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def check_output_file(output: Path, inputs: Iterable[Path], kind: type[XpmlpError]) -> None:
    """Check, before any work, that a file can be written and would not replace an input.

    Raises
    ------
    XpmlpError
        If it would replace one; of ``kind`` if it cannot be written.
    """
    refuse_overwriting([output], inputs)
    with os_errors_as(kind, f"the output {output} cannot be written"):
        check_writable(output)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 atomically, with its line ends unchanged."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def flush(descriptor: int, path: Path) -> None:
    """Flush an open file to the disk, if the file system can.

    Raises
    ------
    OSError
        If the disk is full or damaged.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        _forgive_flush(error, path)


def move(source: Path, target: Path) -> None:
    """Move a file or a folder to a free name, or a file over another; copy it if that is refused.

    Raises
    ------
    OSError
        If the target is in the way or cannot be written to.
    """
    try:
        source.replace(target)
        return
    except OSError as error:
        if error.errno not in _NO_MOVE:
            raise
        notice_once(
            "move",
            f"the file system of {target.parent} cannot move files ({error.strerror}): they are written in place, and "
            "one of them may be incomplete after a crash",
        )
    if source.is_dir():
        target.mkdir()
        for path in sorted(source.iterdir()):
            move(path, target / path.name)
        source.rmdir()
    else:
        shutil.copyfile(source, target)
        source.unlink()


def _refuse_special(path: Path) -> None:
    """Raise if a file must not replace the path, such as a device: root could move a file over /dev/null."""
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing is there, or a link to nothing or to itself, which a file may replace
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "Is a device, a pipe or a socket, and no file", str(path))


def _new_file(path: Path) -> Path:
    """Create an empty file for the content of ``path``, with the system's usual mode for new files."""
    while True:
        name = f".{path.name[:_KEPT]}.{secrets.token_hex(4)}.part{path.suffix[:_KEPT]}"
        with contextlib.suppress(FileExistsError):
            path.with_name(name).touch(exist_ok=False)
            return path.with_name(name)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        _forgive_flush(error, folder)
        return
    try:
        flush(descriptor, folder)
    finally:
        os.close(descriptor)


def _forgive_flush(error: OSError, path: Path) -> None:
    if error.errno not in _NO_FLUSH:
        raise error
    notice_once(
        "flush",
        f"the file system of {path} cannot flush all that is written to the disk ({error.strerror}): after a crash of "
        "the machine the newest files may be missing",
    )
