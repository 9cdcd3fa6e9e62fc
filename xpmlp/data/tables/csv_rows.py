"""Reading of a CSV file of known dialect, in batches of rows of a few megabytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import polars as pl

from xpmlp.data.tables.dialect import BLANKS, Dialect, not_utf8
from xpmlp.data.tables.streams import MAX_BYTES
from xpmlp.errors import DataError

BATCH_BYTES = 1 << 25
"""Bytes of text in a batch."""

MAX_RECORD = 1 << 26
"""Maximum number of bytes of a row; a longer one is taken to have an unclosed quote."""

_EMPTY_LINE = re.compile(rb"^\r*\n", re.MULTILINE)


def csv_batches(
    stream: BinaryIO, dialect: Dialect, notes: list[str], path: Path, bounded: bool
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a CSV file, a few megabytes at a time.

    An empty line is no row, but a missing value if there is only one column.
    """
    row, empty, left_out = 0, True, 0
    short, first_short = 0, 0
    odd = list[str]()
    for piece in _records(stream, dialect, path, bounded, odd):
        if len(dialect.names) > 1:
            piece, lines = _without_empty_lines(piece, dialect)
            left_out += lines
        frame = _parsed(piece, dialect, path, row)
        if some := _short_rows(piece, frame, dialect):
            short, first_short = short + len(some), first_short or row + some[0]
        row += frame.height
        frame = _without_repeated_header(frame, dialect, notes)
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
            "fields that they lack are read as missing"
        )
    if left_out:
        notes.append(f"{left_out:,} empty lines are left out")
    notes += odd[:1]


def _records(stream: BinaryIO, dialect: Dialect, path: Path, bounded: bool, odd: list[str]) -> Iterator[bytes]:
    """Yield whole rows as UTF-8, a few megabytes at a time, skipping lines before the first row and after the last.

    Notes on bytes that are not UTF-8 are appended to ``odd``.
    """
    quote, empty = _quote(dialect), b" \t\r\n" if dialect.separator == BLANKS else b"\r\n"
    carry, total, skipped, line = b"", 0, dialect.skipped, dialect.skipped
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
        quotes = carry.count(quote, 0, end)
        while end >= 0 and quotes % 2:
            below, end = end, carry.rfind(b"\n", 0, end)
            quotes -= carry.count(quote, max(end, 0), below)
        if end < 0:
            if len(carry) > MAX_RECORD:
                raise DataError(f"{path}: has a row of more than {MAX_RECORD:,} bytes; is a quote left open?")
            continue
        filled = len(carry[:end].rstrip(empty))
        if not filled and len(carry) < MAX_RECORD:
            continue
        end = carry.find(b"\n", filled) if filled else end  # keep empty lines: the file may end with them
        yield _ready(carry[: end + 1], dialect, line, odd)
        line += carry.count(b"\n", 0, end + 1)
        carry = carry[end + 1 :]
    if carry.strip() and not skipped:
        yield _ready(carry.rstrip(empty), dialect, line, odd)


def _quote(dialect: Dialect) -> bytes:
    """Return the quotation mark, or a byte that no text has."""
    return (dialect.quote or "\0").encode()


def _without_empty_lines(piece: bytes, dialect: Dialect) -> tuple[bytes, int]:
    """Remove the empty lines outside quotes from whole rows; also return their number."""
    kept, start, quotes, lines = list[bytes](), 0, 0, 0
    for line in _EMPTY_LINE.finditer(piece):
        quotes += piece.count(_quote(dialect), start, line.start())
        inside = quotes % 2 == 1
        kept.append(piece[start : line.end() if inside else line.start()])
        start, lines = line.end(), lines + (not inside)
    return b"".join([*kept, piece[start:]]), lines


def _text(stream: BinaryIO, dialect: Dialect) -> Iterator[bytes]:
    """Yield the file's text as UTF-8; where the dialect says so, with lone carriage returns as line feeds."""
    import codecs

    name = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    decoder = codecs.getincrementaldecoder(name)("strict")
    is_utf8, first, size, returns = name.replace("-", "").lower() == "utf8", True, 1 << 22, b""
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
            piece = returns + piece
            returns = piece[len(piece.rstrip(b"\r")) :] if chunk else b""  # a line feed may follow
            piece = re.sub(rb"(?<!\r)\r*\n|\r", b"\n", piece.removesuffix(returns))
        if piece:
            yield piece
        if not chunk:
            return


def _ready(piece: bytes, dialect: Dialect, line: int, odd: list[str]) -> bytes:
    """Prepare rows, preceded by a number of lines, for polars: fix their encoding and blanks."""
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError as error:  # beyond the part from which the encoding was detected
        odd.append(not_utf8(piece, error, line))
        piece = piece.decode("cp1252", "replace").encode()
    if dialect.separator == BLANKS:
        lines = (re.sub(rb"[ \t]+", b"\t", line.strip()) for line in piece.split(b"\n"))
        piece = b"\n".join(lines)
    elif dialect.padded:
        opened = rb"(?m)(^|%b)[ ]+(?=%b)" % (re.escape(dialect.separator).encode(), _quote(dialect))
        piece = re.sub(opened, rb"\1", piece)
    return piece


def _parsed(piece: bytes, dialect: Dialect, path: Path, row: int) -> pl.DataFrame:
    """Parse rows below a header of numbers, without which polars counts the columns in the first row."""
    numbers = [str(place) for place in range(len(dialect.names))]
    try:
        frame = pl.read_csv(
            _separator(dialect).join(numbers).encode() + b"\n" + piece,
            separator=_separator(dialect),
            quote_char=dialect.quote or None,
            comment_prefix=dialect.comment or None,
            schema=dict.fromkeys(numbers, pl.String),
            infer_schema=False,
            glob=False,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a well-formed CSV file ({_reason(piece, dialect, row, error)})") from None
    frame.columns = [name or f"\0{place}" for place, name in enumerate(dialect.names)]
    return frame


def _reason(piece: bytes, dialect: Dialect, row: int, error: Exception) -> str:
    """Name the malformed row, if it can be found."""
    number, width = row, len(dialect.names)
    try:
        for number, fields in enumerate(_fields(piece, dialect, strict=True), start=row + 1):
            if fields > width:
                return f"row {number} has {fields} fields, and the header {width}"
    except csv.Error:
        return f"the quote that row {number + 1} opens is not closed, or text follows it"
    first = str(error).strip().splitlines()[0]
    odd = re.search("could not parse|malformed", first)
    return "a field cannot be parsed; is a quote left open?" if odd else first[:200]


def _short_rows(piece: bytes, frame: pl.DataFrame, dialect: Dialect) -> list[int]:
    """Return the numbers, from 1, of non-blank rows whose fields do not reach the last named column."""
    short = list[int]()
    width = max((place + 1 for place, name in enumerate(dialect.names) if name), default=0)
    if width < 2 or not frame.get_columns()[width - 1].null_count():
        return []
    separators = piece.count(_separator(dialect).encode())
    if not (dialect.quote and dialect.quote.encode() in piece) and separators == frame.height * (frame.width - 1):
        return []
    with suppress(csv.Error):
        for number, fields in enumerate(_fields(piece, dialect), start=1):
            if 0 < fields < width:
                short.append(number)
    return short


def _fields(piece: bytes, dialect: Dialect, *, strict: bool = False) -> Iterator[int]:
    """Yield the number of fields of each row, comments aside; ``strict`` also raises an error for open quotes."""
    lines = io.StringIO(piece.decode("utf-8", "replace"), newline="\n")
    for row in csv.reader(
        lines,
        delimiter=_separator(dialect),
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=strict,
    ):
        if not (dialect.comment and row and row[0].startswith(dialect.comment)):
            yield len(row)


def _separator(dialect: Dialect) -> str:
    """Return the separator in prepared rows."""
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
    """Drop a column without a name: an empty one, or the first, which counts the rows."""
    column = frame[f"\0{place}"]
    if place and column.str.strip_chars().replace("", None).null_count() < len(column):
        raise DataError(f"{path}: column {place + 1} has no name in the header, and has values: name it")
    return frame.drop(column.name)
