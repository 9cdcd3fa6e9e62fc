"""Reader of the IDX format, in which MNIST is published; every number in the header is checked.

A file is two zero bytes, a type code, the number of dimensions, each dimension as a big-endian uint32, and the
elements, big-endian, in C order (http://yann.lecun.com/exdb/mnist/, "The IDX file format").  Gzip is recognised
by its first bytes, not by the file's name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpmlp._paths import given_path
from xpmlp.data.elements import DEFAULT_MAX_BYTES, MAX_DEFLATE_RATIO, read_elements
from xpmlp.data.source import check_source
from xpmlp.errors import DataError

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path, max_bytes: int = DEFAULT_MAX_BYTES) -> NDArray[Any]:
    """Read the array in an IDX file, gzipped or not, in the machine's byte order.

    Parameters
    ----------
    path : str or Path
    max_bytes : int
        The size limit of header and elements, in bytes, once decompressed.

    Raises
    ------
    DataError
        If the file is missing or unreadable, is not IDX, is damaged, promises more than ``max_bytes`` or than
        it can hold, or holds fewer or more bytes than its header promises.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))  # uint8, one axis, of three
    >>> read_idx("labels.idx").tolist()
    [7, 2, 1]
    """
    return read_idx_and_hash(path, max_bytes)[0]


def read_idx_and_hash(path: str | Path, max_bytes: int = DEFAULT_MAX_BYTES) -> tuple[NDArray[Any], str]:
    """Read the array in an IDX file and compute the SHA-256, in hexadecimal, of its decompressed content, in one pass.

    The elements are read into the array's own memory, which is allocated only once the header has proved plausible.
    Parameters and errors are those of ``read_idx``.
    """
    path = given_path(path)
    with opened(path) as (content, capacity):
        return _read(path, content, capacity, max_bytes)


@contextmanager
def opened(path: Path) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """Open a file, decompressing it if it is gzipped; give its content and an upper bound on the content's bytes.

    Raises
    ------
    DataError
        If the file is missing or, within the block, cannot be read or is a damaged gzip file.
    """
    check_source(path)
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            size = path.stat().st_size
            if not is_gzip:
                yield raw, size
                return
            with gzip.GzipFile(fileobj=raw, mode="rb") as content:
                yield content, size * MAX_DEFLATE_RATIO
    except EOFError:
        raise DataError(f"{path}: the gzip file is cut short; get the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged ({error}); get the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(path: Path, content: io.BufferedIOBase, capacity: int, max_bytes: int) -> tuple[NDArray[Any], str]:
    header, dtype, shape = _read_header(path, content)
    promised = len(header) + math.prod(shape) * dtype.itemsize
    if promised > max_bytes:
        raise DataError(f"{path}: its header promises {promised:,} bytes; at most {max_bytes:,} are allowed")
    if promised > capacity:
        raise DataError(
            f"{path}: its header promises {promised:,} bytes, more than the file can hold; it is cut short or damaged"
        )
    digest = hashlib.sha256(header)
    try:
        array = np.empty(shape, dtype=dtype)
    except MemoryError:
        raise DataError(f"{path}: there is not enough memory for its {promised:,} bytes") from None
    read = read_elements(content, array.reshape(-1), digest.update)
    if len(header) + read < promised:
        raise DataError(
            f"{path}: its header promises {promised:,} bytes, but it ends after {len(header) + read:,}; it is cut short"
        )
    if content.read(1):  # reaching the end also makes gzip compare its checksum
        raise DataError(f"{path}: it goes on after the {promised:,} bytes that its header promises")
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
    return array, digest.hexdigest()


def _read_header(path: Path, content: io.BufferedIOBase) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    magic = content.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"{path}: not an IDX file (it should begin with two zero bytes, a type code and a rank)")
    code, rank = magic[2], magic[3]
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02X}" for known in _DTYPES)
        raise DataError(f"{path}: not an IDX file (type code 0x{code:02X}; the format knows {known})")
    if not 1 <= rank <= _MAX_DIMENSIONS:
        raise DataError(f"{path}: its header gives {rank} dimensions; 1 to {_MAX_DIMENSIONS} are allowed")
    sizes = content.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{path}: it ends within its header; it is cut short")
    shape = struct.unpack(f">{rank}I", sizes)
    if 0 in shape:
        raise DataError(f"{path}: its header gives the shape {shape}, which holds nothing")
    return magic + sizes, np.dtype(_DTYPES[code]), shape
