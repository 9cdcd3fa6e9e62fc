"""Byte streams of files and pipes, decompressed on the way, and recognition of formats by the first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from xpmlp.data.source import check_source
from xpmlp.errors import DataError

Content = Literal["csv", "parquet", "arrow", "excel"]

MAX_BYTES = 2**32
"""Maximum number of bytes of a table as text, decompressed: a larger one belongs in a Parquet file."""

CHUNK = 1 << 20

_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}

_REFUSED = {
    b"SQLite format 3": "an SQLite database: write its table to a CSV file",
    b"\x89HDF": "an HDF5 file: write its table to a Parquet or CSV file",
    b"\x93NUMPY": "an array of NumPy's, without columns' names: use data.name = \"npz\", or write a CSV file",
    b"%PDF": "a PDF document: copy its table to a CSV file",
    b"\xd0\xcf\x11\xe0": "an old Excel file: save it as .xlsx or .csv",
    b"FEA1": "an old Feather file: write it anew as Feather 2, or as Parquet",
    b"<!DOCTYPE": "a page of HTML: is it the answer of a server that wanted a login?",
    b"<html": "a page of HTML: is it the answer of a server that wanted a login?",
    b"RDX": "an R data file: write its table to a CSV file in R, by write.csv",
    b"\x80\x04\x95": "a pickle, which could run any code: write the table to a Parquet or CSV file",
    b"\x80\x05\x95": "a pickle, which could run any code: write the table to a Parquet or CSV file",
    b"@relation": "an ARFF file, as of Weka: write its rows to a CSV file with a header",
    b"ORC": "an ORC file: write it as Parquet",
    b"Obj\x01": "an Avro file: write it as Parquet",
}

_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
"""Decompressors' errors for damaged files; zipfile raises the last two for encryption and unknown compression."""


class Opened(NamedTuple):
    """A file open for reading.

    Attributes
    ----------
    stream : BinaryIO
        The decompressed bytes.
    content : Content
    packed : str
        The compression, "" for none.
    """

    stream: BinaryIO
    content: Content
    packed: str


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a table's file or pipe, and decompress it as it is read.

    Raises
    ------
    DataError
        If it cannot be read, is an archive of several files, or is not a table.
    """
    check_source(path, pipes=True)
    try:
        with path.open("rb") as file:
            stream: BinaryIO = file
            if not file.seekable():
                stream = io.BytesIO(_whole(file, path))
            start = _peeked(stream)
            packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), "")
            if packed == "zip":
                with zipfile.ZipFile(stream) as archive:
                    if any(name.startswith("xl/") for name in archive.namelist()):
                        yield Opened(stream, "excel", "")
                        return
                    with _only_member(archive, path) as member:
                        yield Opened(member, _content(_peeked(member), path), "zip")
            elif packed:
                with _unpacked(stream, packed, path) as unpacked:
                    yield Opened(unpacked, _content(_peeked(unpacked), path), packed)
            else:
                yield Opened(stream, _content(start, path), "")
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read ({reason[:100]})") from None


def _peeked(stream: BinaryIO) -> bytes:
    """Return a stream's first bytes, and rewind it: a decompressed one starts again."""
    start = stream.read(16)
    stream.seek(0)
    return start


def _whole(file: BinaryIO, path: Path) -> bytes:
    """Read the content of a pipe."""
    content = file.read(MAX_BYTES + 1)
    if not content:
        raise DataError(
            f"{path}: is a pipe that holds nothing, or was read before; to have it read again, save the table to a file"
        )
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: is a pipe with more than {MAX_BYTES:,} bytes: save the table to a file")
    return content


def _content(start: bytes, path: Path) -> Content:
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1"):
        return "arrow"
    for magic, what in _REFUSED.items():
        if start.startswith(magic) or (magic[:1] in b"<@" and start.lower().startswith(magic.lower())):
            raise DataError(f"{path}: is {what}")
    if start.lstrip()[:1] in (b"{", b"["):
        raise DataError(f"{path}: is JSON, which has no columns: write a CSV or Parquet file of it")
    return "csv"


def _only_member(archive: zipfile.ZipFile, path: Path) -> BinaryIO:
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
    if len(members) != 1:
        names = ", ".join(one.filename[:60] for one in members[:4])
        raise DataError(f"{path}: has {len(members)} files packed ({names}); unpack it and give one of them")
    if members[0].flag_bits & 1:
        raise DataError(f"{path}: is encrypted; unpack it first")
    return archive.open(members[0])  # type: ignore[return-value]  # it reads like a BinaryIO


def _unpacked(stream: BinaryIO, packed: str, path: Path) -> BinaryIO:
    if packed == "zstd":
        return io.BufferedReader(_zstd(stream, path))
    openers: dict[str, Callable[[BinaryIO], Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    unpacked: BinaryIO = openers[packed](stream)
    return unpacked


def _zstd(stream: BinaryIO, path: Path) -> Any:
    """Open a stream of decompressed zstd data, by Python's own module, by zstandard, or line by line by polars."""
    with suppress(ImportError):
        from compression.zstd import ZstdFile

        return ZstdFile(stream)
    with suppress(ImportError):
        from backports.zstd import ZstdFile

        return ZstdFile(stream)
    try:
        from zstandard import ZstdDecompressor
    except ImportError:
        return _PolarsLines(path)
    reader = ZstdDecompressor()
    return _Restarted(lambda: (stream.seek(0), reader.stream_reader(stream))[1])


class _Restarted(io.RawIOBase):
    """A stream that can seek only to its beginning."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._stream: Any = start()

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: the stream can be rewound."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Rewind to the beginning."""
        if offset or whence:
            raise io.UnsupportedOperation("seek")
        self._stream = self._start()
        return 0

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer."""
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _PolarsLines(_Restarted):
    """The lines of a compressed text file, decompressed by polars a batch at a time."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        if not hasattr(pl, "scan_lines"):
            raise DataError(f"{path}: is packed with zstd, which needs a newer polars or zstandard: unpack it first")
        self._path = path
        super().__init__(self._batches)

    def _batches(self) -> Any:
        import polars as pl

        lines = pl.scan_lines(self._path)
        return _Iterated(
            "".join(f"{line}\n" for line in batch.to_series(0)).encode() for batch in lines.collect_batches()
        )


class _Iterated:
    """Pieces of bytes, read as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
