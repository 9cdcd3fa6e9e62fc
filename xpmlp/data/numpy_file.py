"""The format `npz`: a user's own arrays of features and targets; and npy files with features.

NumPy reads an array's header.  The elements are read here, so that nothing is unpickled, no more is allocated than the
file can hold, and no more is decompressed than the header announces.
"""

from __future__ import annotations

import hashlib
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from xpmlp._paths import given_path
from xpmlp.data.codes import check_codes
from xpmlp.data.elements import DEFAULT_MAX_BYTES, MAX_DEFLATE_RATIO, read_elements
from xpmlp.data.format import DRAWN_PARTS, Format, Request
from xpmlp.data.frames import column_names, matched_columns
from xpmlp.data.messages import did_you_mean, listed
from xpmlp.data.source import check_source
from xpmlp.data.table import Table, check_features
from xpmlp.errors import DataError

CODES = "codes"
"""The name of an npz file's optional array of category codes."""

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# Errors that NumPy's header reader and zipfile raise for damaged headers, archives, and encrypted members.
_UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    EOFError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz_table(path: str | Path, features: str, target: str, feature_names: tuple[str, ...] | None = None) -> Table:
    """Read a table from an npz file: the arrays ``features`` and ``target``.

    ``features`` is (n, n_features), (n, height, width), or (n,) with a field for each feature; of these fields the
    ``feature_names`` are taken, in that order, or all.  ``target`` is (n,) or (n, n_targets).  An array `CODES`,
    (n, columns), holds category codes.

    Raises
    ------
    DataError
        If the file, an array or a field is missing, damaged, of the wrong type or shape, or not numeric.
    """
    path = given_path(path)
    with _open_npz(path) as archive:
        raw = _member(path, archive, features)
        labels = _member(path, archive, target)
        codes = _codes(path, archive) if CODES not in (features, target) else None
    source = f"{path}: array {features!r}"
    names = column_names(raw, source)
    if names is not None and feature_names is not None:
        names = feature_names
    flat, image_shape = flattened(matched_columns(raw, names, source), source)
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and labels.shape[1] == 0):
        raise DataError(
            f"{path}: array {target!r} has shape {labels.shape}; one label per example, (n,), or some values per "
            "example, (n, n_targets), are needed"
        )
    if len(labels) != len(flat):
        raise DataError(
            f"{path}: array {features!r} has {len(flat)} examples, but array {target!r} has {len(labels)} labels"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    is_bytes = image_shape is not None and flat.dtype == np.uint8
    return Table(
        name=str(path),
        features=check_features(flat, source, names),
        labels=labels[:, 0] if labels.shape[1:] == (1,) else labels,
        image_shape=image_shape,
        feature_names=names,
        hashes={path.name: digest},
        target_names=_column_names(target, labels),
        standardize=not is_bytes,
        scale=1 / 255 if is_bytes else 1.0,
        codes=None if codes is None else check_codes(codes, len(flat), f"{path}: array {CODES!r}: codes"),
    )


def _column_names(target: str, labels: NDArray[Any]) -> tuple[str, ...]:
    """Name the targets: ``target`` for one column, ``target[0]``, ``target[1]`` ... for several."""
    if labels.shape[1:] in ((), (1,)):
        return (target,)
    return tuple(f"{target}[{column}]" for column in range(labels.shape[1]))


def read_npz_features(path: Path, features: str) -> NDArray[Any]:
    """Read the array ``features`` of an npz file, or its only array."""
    with _open_npz(path) as archive:
        names = _array_names(archive)
        return _member(path, archive, names[0] if len(names) == 1 else features)


def read_npz_codes(path: Path) -> NDArray[Any] | None:
    """Read the array `CODES` of an npz file, or return None if it has none."""
    with _open_npz(path) as archive:
        return _codes(path, archive)


def _codes(path: Path, archive: zipfile.ZipFile) -> NDArray[Any] | None:
    return _member(path, archive, CODES) if CODES in _array_names(archive) else None


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array in an npy file.

    Raises
    ------
    DataError
        If it is missing, damaged, or would have to be unpickled.
    """
    with _one_sentence(path, "npy", str(path)), path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            raise DataError(f"{path}: holds several arrays; name it .npz")
        file.seek(0)
        return _read_array(file, str(path), path.stat().st_size)


def flattened(raw: NDArray[Any], source: str) -> tuple[NDArray[Any], tuple[int, int] | None]:
    """Flatten ``raw`` to (n, n_features), and return the images' shape or None.

    ``raw`` is (n, n_features) or (n, height, width); images may also have a single channel, as first or last axis.
    """
    if raw.ndim == 2:
        return raw, None
    height_and_width = image_shape_of(raw.shape, source)
    return raw.reshape(len(raw), math.prod(height_and_width)), height_and_width


def image_shape_of(shape: Sequence[int], source: str) -> tuple[int, int]:
    """Return height and width from the shape of images: (n, height, width), or with a channel before or after these.

    Raises
    ------
    DataError
        If there are several channels, or the shape is not one of images.
    """
    sides = tuple(shape[1:])
    if len(sides) == 3 and 1 in (sides[0], sides[2]):
        sides = sides[:2] if sides[2] == 1 else sides[1:]
    if len(sides) != 2:
        advice = "; flatten the channels: x.reshape(len(x), -1)" if len(sides) == 3 else ""
        raise DataError(f"{source}: has shape {tuple(shape)}; (n, n_features) or (n, height, width) is needed{advice}")
    return sides[0], sides[1]


@contextmanager
def _open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    with _one_sentence(path, "npz", str(path)), path.open("rb") as file:
        if file.read(len(_NPY)) == _NPY:
            raise DataError(f"{path}: holds a single array without a name; save it with numpy.savez")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _array_names(archive: zipfile.ZipFile) -> Sequence[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    names = _array_names(archive)
    if name not in names:
        raise DataError(f"{path}: has no array {name!r}{did_you_mean(name, names)}")
    source = f"{path}: array {name!r}"
    with _one_sentence(path, "npz", source):
        member = archive.infolist()[len(names) - 1 - names[::-1].index(name)]  # of two with one name the later counts
        if member.compress_type not in _METHODS:
            raise DataError(f"{source}: is compressed by a method that NumPy does not use; save it with numpy.savez")
        capacity = path.stat().st_size
        if member.compress_type == zipfile.ZIP_DEFLATED:
            capacity = min(capacity, member.compress_size) * MAX_DEFLATE_RATIO
            if member.file_size > DEFAULT_MAX_BYTES:
                raise DataError(
                    f"{source}: promises {member.file_size:,} bytes once decompressed; at most {DEFAULT_MAX_BYTES:,} "
                    "are allowed: save it without compression, with numpy.savez"
                )
        if member.file_size > capacity:
            raise DataError(f"{source}: promises {member.file_size:,} bytes, more than the file can hold")
        with archive.open(member) as content:
            return _read_array(content, source, member.file_size)


def _read_array(content: IO[bytes], source: str, size: int) -> NDArray[Any]:
    """Read the array in ``content``, which is ``size`` bytes long."""
    if content.read(len(_NPY)) != _NPY:
        raise ValueError("its signature is missing")
    content.seek(0)
    shape, fortran_order, dtype = _read_header(content)
    if dtype.hasobject:
        raise DataError(f"{source}: holds Python objects, which are never unpickled; save plain numbers or strings")
    promised, held = math.prod(shape) * dtype.itemsize, size - content.tell()
    if promised != held or not dtype.itemsize:
        raise DataError(
            f"{source}: its header promises {promised:,} bytes, but it holds {held:,}; it is cut short or damaged"
        )
    array = np.empty(shape, dtype, order="F" if fortran_order else "C")
    read = read_elements(content, array.reshape(-1, order="A"))
    if read < promised or content.read(1):  # reaching the end also makes zipfile compare its checksum
        raise DataError(f"{source}: ends after {read:,} of {promised:,} bytes; it is cut short or damaged")
    return array


def _read_header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the shape, whether the order is Fortran's, and the type."""
    version = np.lib.format.read_magic(content)
    if version not in _HEADER_READERS:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    try:
        with warnings.catch_warnings(action="ignore"):  # about files written by Python 2
            shape, fortran_order, dtype = _HEADER_READERS[version](content)
    except MemoryError:  # raised by Python's parser for excessive nesting
        raise ValueError("its header is nested too deeply") from None
    if any(side < 0 for side in shape):
        raise ValueError(f"its header gives the shape {shape}")
    return shape, fortran_order, dtype


@contextmanager
def _one_sentence(path: Path, kind: str, source: str) -> Iterator[None]:
    """Turn the errors raised for a bad file into a one-sentence `DataError`."""
    check_source(path)
    try:
        yield
    except MemoryError:
        raise DataError(f"{source}: there is not enough memory for it") from None
    except _UNREADABLE as error:
        raise DataError(f"{source}: not a readable {kind} file ({_first_line(error)})") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror or error})") from None


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def _read(request: Request) -> Table:
    if not isinstance(request.target, str):
        names = listed(request.target)
        raise DataError(f"an npz file has one array of targets: give data.target its name, not {names}")
    return read_npz_table(request.path, request.features, request.target, request.feature_names)


def _read_features(request: Request) -> NDArray[Any]:
    raw = read_npz_features(request.path, request.features)
    columns: NDArray[Any] = matched_columns(raw, request.feature_names, str(request.path))
    return columns


NPZ = Format(
    "your own arrays: features and a target",
    _read,
    ("path", "target", "features", "standardize", *DRAWN_PARTS),
    (".npz",),
    _read_features,
    has_values=True,
    where='set data.path = "FILE.npz"',
)
