"""A person's own arrays: npz files with features and targets, npy files with features.  Nothing is unpickled."""

from __future__ import annotations

import hashlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from xpmlp.data.messages import did_you_mean
from xpmlp.data.table import Table, check_features
from xpmlp.errors import DataError

# What numpy.load and zipfile let through for damaged headers, archives, and encrypted members.
_UNREADABLE = (
    ValueError,
    EOFError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz_table(path: str | Path, features: str, target: str) -> Table:
    """The table in ``path``: array ``features``, (n, n_features) or (n, height, width), and ``target``, (n,).

    Raises
    ------
    DataError
        If the file or an array is missing, damaged, of the wrong type or shape, or has no numbers.
    """
    path = Path(path)
    with _open_npz(path) as archive:
        raw = _member(path, archive, features)
        labels = _member(path, archive, target)
    source = f"{path}: array {features!r}"
    flat, image_shape = flattened(raw, source)
    if labels.ndim != 1:
        raise DataError(f"{path}: array {target!r} has shape {labels.shape}; one label per example, (n,), is needed")
    if len(labels) != len(flat):
        raise DataError(
            f"{path}: array {features!r} has {len(flat)} examples, but array {target!r} has {len(labels)} labels"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(
        name=str(path),
        features=check_features(flat, source),
        labels=labels,
        image_shape=image_shape,
        feature_names=None,
        hashes={path.name: digest},
    )


def read_npz_features(path: Path, features: str) -> NDArray[Any]:
    """The array ``features`` of ``path``, or its only array."""
    with _open_npz(path) as archive:
        only = archive.files[0] if len(archive.files) == 1 else features
        return _member(path, archive, only)


def read_npy(path: Path) -> NDArray[Any]:
    """The array in ``path``.

    Raises
    ------
    DataError
        If it is missing, damaged, or would have to be unpickled.
    """
    with _open_numpy(path, "npy") as loaded:
        if not isinstance(loaded, np.ndarray):
            raise DataError(f"{path}: holds several arrays; name it .npz")
        return loaded


def flattened(raw: NDArray[Any], source: str) -> tuple[NDArray[Any], tuple[int, int] | None]:
    """``raw``, (n, n_features) or (n, height, width), as (n, n_features), and the images' shape if it had one."""
    if raw.ndim == 2:
        return raw, None
    if raw.ndim == 3:
        return raw.reshape(len(raw), raw.shape[1] * raw.shape[2]), (raw.shape[1], raw.shape[2])
    raise DataError(f"{source}: has shape {raw.shape}; (n, n_features) or (n, height, width) is needed")


@contextmanager
def _open_npz(path: Path) -> Iterator[NpzFile]:
    with _open_numpy(path, "npz") as loaded:
        if not isinstance(loaded, NpzFile):
            raise DataError(f"{path}: holds a single array without a name; save it with numpy.savez")
        with loaded:
            yield loaded


@contextmanager
def _open_numpy(path: Path, kind: str) -> Iterator[NDArray[Any] | NpzFile]:
    """What ``numpy.load`` makes of ``path``; the file is opened here, because NumPy leaves a bad one open."""
    with _one_sentence(path, kind), path.open("rb") as file:
        yield np.load(file, allow_pickle=False)


def _member(path: Path, archive: NpzFile, name: str) -> NDArray[Any]:
    if name not in archive.files:
        raise DataError(f"{path}: has no array {name!r}{did_you_mean(name, archive.files)}")
    with _one_sentence(path, "npz", name):
        loaded: NDArray[Any] = archive[name]
    if not isinstance(loaded, np.ndarray):  # a member that is no array comes back as bytes
        raise DataError(f"{path}: {name!r} is not an array")
    return loaded


@contextmanager
def _one_sentence(path: Path, kind: str, member: str | None = None) -> Iterator[None]:
    """Turn what NumPy raises for a bad file into one sentence."""
    source = f"{path}: array {member!r}" if member else f"{path}"
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        yield
    except MemoryError:
        raise DataError(f"{source}: promises more than fits into memory") from None
    except _UNREADABLE as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{source}: holds Python objects, which are never unpickled; save plain numbers or strings"
            ) from None
        # NumPy takes whatever begins with neither format's signature for a pickle.
        reason = "its signature is missing" if "pickled" in str(error) else _first_line(error)
        raise DataError(f"{source}: not a readable {kind} file ({reason})") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror or error})") from None


def _first_line(error: Exception) -> str:
    """The start of what ``error`` says, fit for a terminal even where it quotes a damaged file."""
    first = (str(error).splitlines() or [type(error).__name__])[0][:100]
    return "".join(character if character.isprintable() else "?" for character in first)
