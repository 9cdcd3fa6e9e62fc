"""Tables from files: CSV in its dialects, packed or not, Parquet, Arrow, Excel; whole, or a batch of rows at a time."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from xpmlp._optional import Library
from xpmlp._paths import given_path
from xpmlp.data.messages import quoted
from xpmlp.data.table_options import Given
from xpmlp.data.tables.dialect import BLANKS, MAX_ROWS, Dialect, find_dialect, find_header, name_columns
from xpmlp.data.tables.streams import CHUNK, MAX_BYTES, opened
from xpmlp.errors import DataError

MAX_CELLS = 2**32
"""Rows times columns of a file that says in advance how many it has."""

BATCH_BYTES = 1 << 25
"""Text that is read at a time."""

BATCH_ROWS = 1 << 17
"""Rows of Parquet and Arrow files that are read at a time."""

MAX_RECORD = 1 << 26
"""Bytes of a row; one that is longer has a quote that is not closed."""

ENDINGS = (".csv", ".tsv", ".txt", ".data", ".dat", ".parquet", ".pq", ".arrow", ".feather", ".ipc", ".xlsx")

_TAKEN_FOR_PACKED = (b"x", b"\x1f", b"\x28", b"\xef", b"B")
_DAY_ZERO = r"^1899-12-3[01] ([0-9]{2}:[0-9]{2})"  # of times of day in a workbook
_EXCEL = Library("fastexcel", "fastexcel", "'xpmlp[excel]'")


class TableFile(NamedTuple):
    """A table as a file has it.

    Attributes
    ----------
    data : pl.DataFrame
        Columns of text for a CSV file: their kinds say how they are read.
    notes : tuple of str
        What was found out about the file.
    decimal : str, optional
        The sign before a fraction in this file, where it is known.
    hashes : dict
        The name of each file to the SHA-256 of its content.
    """

    data: pl.DataFrame
    notes: tuple[str, ...]
    decimal: str | None
    hashes: dict[str, str]


def read_table(path: str | Path, given: Given | None = None, **dialect: Any) -> TableFile:
    """Read a table from a file, or from a folder of Parquet files.

    Parameters
    ----------
    path : str or Path
        CSV in any dialect, packed (gzip, zstd, bz2, xz, or the only file of a zip) or not; Parquet, Arrow (Feather),
        or the first sheet of an Excel workbook.  What it is, is told by its content.
    given : Given, optional
        What is said about a CSV file's dialect; the rest is found out, and noted.
    dialect
        The fields of `Given` by name: ``separator=";"``, ``decimal=","``, ``encoding="cp1250"``, ``header=False``.

    Raises
    ------
    DataError
        If it cannot be read, or is no table.
    """
    path = given_path(path)
    notes, batches, decimal = _batches(path, (given or Given())._replace(**dialect), bounded=True, rows=None)
    frames = list(batches)
    data = pl.concat(frames) if len(frames) != 1 else frames[0]
    if not data.height:
        raise DataError(f"{path}: has a header but no rows")
    return TableFile(data, tuple(notes), decimal, {path.name: _sha256(path)})


def read_batches(
    path: str | Path, given: Given | None = None, rows: int = BATCH_ROWS
) -> tuple[list[str], Iterator[pl.DataFrame]]:
    """Read a table a batch of rows at a time, in bounded memory.

    Returns
    -------
    notes : list of str
        Which grows while the table is read.
    batches : iterator of pl.DataFrame
    """
    notes, batches, _ = _batches(given_path(path), given or Given(), bounded=False, rows=rows)
    return notes, batches


def _batches(
    path: Path, given: Given, *, bounded: bool, rows: int | None
) -> tuple[list[str], Iterator[pl.DataFrame], str | None]:
    if path.is_dir():
        return [], _scanned(path, rows), None
    with opened(path) as file:
        if file.content == "csv":
            start = file.stream.read(CHUNK)
            rest = file.stream.read(1)
            dialect = find_dialect(start, whole=not rest, given=given, source=str(path))
            notes = [*([f"packed with {file.packed}"] if file.packed else []), *dialect.notes]
            if path.is_fifo():
                file.stream.seek(0)
                content = io.BytesIO(file.stream.read())
                return notes, _csv_batches(content, dialect, notes, path, bounded), dialect.decimal
            return notes, _reopened(path, dialect, notes, bounded), dialect.decimal
        if file.packed:
            raise DataError(f"{path}: is a {file.content} file packed with {file.packed}; unpack it first")
        if file.content == "excel":
            return _excel(path, given)
        return [], _scanned(path, rows, file.content), None


def _reopened(path: Path, dialect: Dialect, notes: list[str], bounded: bool) -> Iterator[pl.DataFrame]:
    with opened(path) as file:
        yield from _csv_batches(file.stream, dialect, notes, path, bounded)


def _csv_batches(
    stream: BinaryIO, dialect: Dialect, notes: list[str], path: Path, bounded: bool
) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file, a few megabytes at a time."""
    row, empty = 0, True
    short, first_short = 0, 0
    for piece in _records(stream, dialect, path, bounded):
        frame = _parsed(piece, dialect, path, row)
        if some := _short_rows(piece, frame, dialect):
            short, first_short = short + len(some), first_short or row + some[0]
        row += frame.height
        frame = _without_repeated_header(frame, dialect, notes)
        blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series() if frame.width else None
        if blank is not None and blank.any():
            frame = frame.filter(~blank)
        for place, name in enumerate(dialect.names):
            if not name:
                frame = _without_unnamed(frame, place, path)
        if frame.height:
            empty = False
            yield frame
    if empty:
        raise DataError(f"{path}: has a header but no rows")
    if short:
        notes.append(
            f"{short:,} rows have fewer fields than there are columns, the first of them row {first_short:,}: the "
            "fields that they lack are taken for gaps"
        )


def _records(stream: BinaryIO, dialect: Dialect, path: Path, bounded: bool) -> Iterator[bytes]:
    """Whole rows as UTF-8, a few megabytes at a time, without the lines before the first one."""
    quote = (dialect.quote or "\0").encode()
    carry, total, skipped, odd = b"", 0, dialect.skipped, 0
    for piece in _text(stream, dialect):
        total += len(piece)
        if bounded and total > MAX_BYTES:
            raise DataError(f"{path}: has more than {MAX_BYTES:,} bytes of text: save it as Parquet")
        carry += piece
        while skipped and (end := carry.find(b"\n")) >= 0:
            carry, skipped = carry[end + 1 :], skipped - 1
        if skipped or len(carry) < BATCH_BYTES:
            continue
        end = carry.rfind(b"\n")
        while end >= 0 and (carry.count(quote, 0, end) - odd) % 2:
            end = carry.rfind(b"\n", 0, end)
        if end < 0:
            if len(carry) > MAX_RECORD:
                raise DataError(f"{path}: has a row of more than {MAX_RECORD:,} bytes; is a quote left open?")
            continue
        yield _ready(carry[: end + 1], dialect)
        carry = carry[end + 1 :]
    if carry.strip() and not skipped:
        yield _ready(carry, dialect)


def _text(stream: BinaryIO, dialect: Dialect) -> Iterator[bytes]:
    """The file as UTF-8, its lines ended by line feeds."""
    import codecs

    name = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    decoder = codecs.getincrementaldecoder(name)("strict")
    is_utf8, first, size = name.replace("-", "").lower() == "utf8", True, 1 << 22
    while True:
        chunk = stream.read(size)
        if is_utf8:
            piece = chunk
        else:
            try:
                piece = decoder.decode(chunk, final=not chunk).encode()
            except UnicodeDecodeError:
                decoder.reset()
                piece = chunk.decode("latin-1").encode()
        if first:
            piece, first = piece.removeprefix("\ufeff".encode()), False
        if dialect.carriage_returns:
            piece = piece.replace(b"\r", b"\n")
        if piece:
            yield piece
        if not chunk:
            return


def _ready(piece: bytes, dialect: Dialect) -> bytes:
    """Rows as polars takes them: it would take some of them for packed, by their first bytes."""
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:  # beyond the part by which the encoding was told; what is before it is ASCII
        piece = piece.decode("cp1252", "replace").encode()
    if dialect.separator == BLANKS:
        lines = (re.sub(rb"[ \t]+", b"\t", line.strip()) for line in piece.split(b"\n"))
        piece = b"\n".join(lines)
    return b"\xef\xbb\xbf" + piece if piece[:1] in _TAKEN_FOR_PACKED else piece


def _parsed(piece: bytes, dialect: Dialect, path: Path, row: int) -> pl.DataFrame:
    names = [name or f"\0{place}" for place, name in enumerate(dialect.names)]
    try:
        return pl.read_csv(
            piece,
            has_header=False,
            separator=_separator(dialect),
            quote_char=dialect.quote or None,
            comment_prefix=dialect.comment or None,
            schema=dict.fromkeys(names, pl.String),
            infer_schema=False,
            glob=False,
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path}: not a well-formed CSV file ({_reason(piece, dialect, len(names), row, error)})"
        ) from None


def _reason(piece: bytes, dialect: Dialect, width: int, row: int, error: Exception) -> str:
    """Say which row is malformed, where it can be found."""
    for number, fields in enumerate(_fields(piece, dialect), start=row + 1):
        if fields > width:
            return f"row {number} has {fields} fields, and the header {width}"
    first = str(error).strip().splitlines()[0]
    return "a field cannot be parsed; is a quote left open?" if "could not parse" in first else first[:200]


def _short_rows(piece: bytes, frame: pl.DataFrame, dialect: Dialect) -> list[int]:
    """The numbers of the rows that have fewer fields than there are columns with a name, from 1; not of blank ones."""
    width = max((place + 1 for place, name in enumerate(dialect.names) if name), default=0)
    if width < 2 or not frame.get_columns()[width - 1].null_count():
        return []
    separators = piece.count(_separator(dialect).encode())
    if not (dialect.quote and dialect.quote.encode() in piece) and separators == frame.height * (frame.width - 1):
        return []
    return [number for number, fields in enumerate(_fields(piece, dialect), start=1) if 0 < fields < width]


def _fields(piece: bytes, dialect: Dialect) -> Iterator[int]:
    """The number of fields of each row that is no comment, as far as they can be told."""
    lines = io.StringIO(piece.decode("utf-8-sig", "replace"), newline="\n")
    try:
        for row in csv.reader(
            lines,
            delimiter=_separator(dialect),
            quotechar=dialect.quote or None,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        ):
            if not (dialect.comment and row and row[0].startswith(dialect.comment)):
                yield len(row)
    except csv.Error:
        return


def _separator(dialect: Dialect) -> str:
    """The separator in pieces that are ready."""
    return "\t" if dialect.separator == BLANKS else dialect.separator


def _without_repeated_header(frame: pl.DataFrame, dialect: Dialect, notes: list[str]) -> pl.DataFrame:
    if dialect.header is None or not frame.width or len(dialect.header) != frame.width:
        return frame
    columns = frame.get_columns()
    told = [place for place, name in enumerate(dialect.header) if name]
    likely = (columns[told[0]] == dialect.header[told[0]]).fill_null(False)
    if not likely.any():
        return frame
    for place in told[1:]:
        likely &= (columns[place].str.strip_chars() == dialect.header[place]).fill_null(False)
    if likely.any():
        notes.append(f"{int(likely.sum()):,} rows that repeat the header are left out")
    return frame.filter(~likely)


def _without_unnamed(frame: pl.DataFrame, place: int, path: Path) -> pl.DataFrame:
    """Without a column that has no name: it is empty, or the first one, which counts the rows."""
    column = frame[f"\0{place}"]
    if place and column.str.strip_chars().replace("", None).null_count() < len(column):
        raise DataError(f"{path}: column {place + 1} has no name in the header, and has values: name it")
    return frame.drop(column.name)


def _scanned(path: Path, rows: int | None, content: str = "parquet") -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file, of a folder of them, or of an Arrow file."""
    with _explained(path):
        if path.is_dir():
            if not next(path.rglob("*.parquet"), None):
                raise DataError(f"{path}: no such file; there is a folder of this name, without Parquet files in it")
            scan = pl.scan_parquet(path / "**/*.parquet")
        else:
            scan = pl.scan_parquet(path, glob=False) if content == "parquet" else pl.scan_ipc(path, glob=False)
        width, height = len(scan.collect_schema()), int(scan.select(pl.len()).collect().item())
        if width * height > MAX_CELLS:
            raise DataError(
                f"{path}: has {height:,} rows of {width:,} columns; at most {MAX_CELLS:,} values can be read"
            )
        if not height:
            raise DataError(f"{path}: has no rows")
        size = rows or height
    for start in range(0, height, size):
        with _explained(path):
            frame = scan.slice(start, size).collect() if size < height else scan.collect()
        yield frame


def _excel(path: Path, given: Given) -> tuple[list[str], Iterator[pl.DataFrame], None]:
    """The first sheet of a workbook that has rows, its cells as texts, its header found as that of a CSV file."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise DataError(f"{path}: unpacks to more than {MAX_BYTES:,} bytes: save the sheet as CSV")
    with _EXCEL.needed_by(f"reading {path}"):
        import fastexcel
    how: Any = {"engine": "calamine", "has_header": False, "infer_schema_length": 0, "raise_if_empty": False}
    with _explained(path):
        try:
            sheets = pl.read_excel(path, sheet_id=0, **how)
        except fastexcel.FastExcelError as error:
            raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0][:200]})") from None
    name = next((name for name, cells in sheets.items() if cells.height), "")
    if not name:
        raise DataError(f"{path}: its sheets have no rows")
    cells = sheets[name].with_columns(pl.all().cast(pl.String).str.replace(_DAY_ZERO, "$1"))
    cells = cells.filter(~pl.all_horizontal(pl.all().str.strip_chars().replace("", None).is_null()))
    notes = [f"of {len(sheets)} sheets {quoted(name)} is read, the first with rows"] if len(sheets) > 1 else []
    rows = [[cell or "" for cell in row] for row in cells.head(MAX_ROWS).rows()]
    titles, in_header, header = find_header([_without_end(row) for row in rows], given, notes)
    data = cells[titles + in_header :]
    if not data.height:
        raise DataError(f"{path}: its first sheet with rows, {quoted(name)}, has a header but no rows")
    if header is not None:
        header = (*map(str.strip, header), *[""] * (data.width - len(header)))
    names = name_columns(header, data.width, rows[titles + in_header :], notes, str(path))
    kept = {place: name for place, name in enumerate(names) if name}
    frame = pl.DataFrame([data.to_series(place).alias(name) for place, name in kept.items()])
    return notes, iter([frame]), None


def _without_end(row: Sequence[str]) -> list[str]:
    """A row to its last field that is not blank."""
    filled = [place for place, cell in enumerate(row) if cell.strip()]
    return list(row[: filled[-1] + 1]) if filled else []


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn polars' errors, its panics on damaged files among them, into sentences."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read ({str(error).strip().splitlines()[0][:200]})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise DataError(f"{path}: is damaged, and cannot be read") from None


def _sha256(path: Path) -> str:
    """The hash of a file's content, or of the names and contents of a folder's files."""
    if path.is_fifo():
        return ""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total: Any = hashlib.sha256()
    for part in sorted(path.rglob("*.parquet")):
        total.update(f"{part.relative_to(path)} {_sha256(part)}\n".encode())
    digest: str = total.hexdigest()
    return digest
