"""Reading of tables from files, whole or in batches: CSV in its dialects, compressed or not, Parquet, Arrow, Excel."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from xpmlp._paths import given_path
from xpmlp.data.table_options import Given
from xpmlp.data.tables.csv_rows import csv_batches
from xpmlp.data.tables.dialect import Dialect, find_dialect
from xpmlp.data.tables.frames import refuse_fork
from xpmlp.data.tables.streams import CHUNK, opened
from xpmlp.data.tables.typed_files import scanned, workbook
from xpmlp.errors import DataError

BATCH_ROWS = 1 << 17
"""Rows of Parquet and Arrow files in a batch."""


class TableFile(NamedTuple):
    """A table read from a file.

    Attributes
    ----------
    data : pl.DataFrame
        For a CSV file, columns of text, to be read according to their kinds.
    notes : tuple of str
        Findings about the file.
    decimal : str, optional
        The file's decimal sign, where known.
    hashes : dict
        The SHA-256 of each file's content, by name.
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
        CSV in any dialect, compressed (gzip, zstd, bz2, xz, or the only file of a zip) or not; Parquet, Arrow
        (Feather), or the first sheet with rows of an Excel workbook.  The format is recognised by the content.
    given : Given, optional
        Settings of a CSV file's dialect; the others are detected, and noted.
    dialect
        The fields of `Given` by name: ``separator=";"``, ``decimal=","``, ``encoding="cp1250"``, ``header=False``.

    Raises
    ------
    DataError
        If the file cannot be read, or is not a table.
    """
    path = given_path(path)
    notes, batches, decimal = _batches(path, (given or Given())._replace(**dialect), bounded=True, rows=None)
    frames = list(batches)
    data = pl.concat(frames) if len(frames) != 1 else frames[0]
    if data.width > 1 and all(column.null_count() for column in data):
        filled = data.filter(~pl.all_horizontal(pl.all().is_null()))
        if filled.height < data.height:
            notes.append(f"{data.height - filled.height:,} rows without any value are left out")
        data = filled
    if not data.height:
        raise DataError(f"{path}: has a header but no rows")
    return TableFile(data, tuple(notes), decimal, {path.name: _sha256(path)})


def read_batches(
    path: str | Path,
    given: Given | None = None,
    rows: int = BATCH_ROWS,
    encoding: str | None = None,
    kinds: Mapping[str, str] = {},
) -> tuple[list[str], Iterator[pl.DataFrame]]:
    """Read a table in batches of rows, in bounded memory.

    Parameters
    ----------
    path : str or Path
    given : Given, optional
    rows : int
        Rows in a batch of a Parquet or Arrow file.
    encoding : str, optional
        The encoding of a file in which no other is detected and for which ``given`` has none.
    kinds : mapping
        The kinds of training's columns by name, for new rows: by them, the header is found in a few rows.

    Returns
    -------
    notes : list of str
        A list that grows while the table is read.
    batches : iterator of pl.DataFrame
    """
    path = given_path(path)
    notes, batches, _ = _batches(path, given or Given(), bounded=False, rows=rows, encoding=encoding, kinds=kinds)
    return notes, batches


def _batches(
    path: Path,
    given: Given,
    *,
    bounded: bool,
    rows: int | None,
    encoding: str | None = None,
    kinds: Mapping[str, str] = {},
) -> tuple[list[str], Iterator[pl.DataFrame], str | None]:
    refuse_fork()
    if path.is_dir():
        return [], scanned(path, rows), None
    with opened(path) as file:
        if file.content == "csv":
            start = file.stream.read(CHUNK)
            rest = file.stream.read(1)
            dialect = find_dialect(start, whole=not rest, given=given, source=str(path), encoding=encoding, kinds=kinds)
            notes = [*([f"packed with {file.packed}"] if file.packed else []), *dialect.notes]
            if path.is_fifo():
                file.stream.seek(0)
                content = io.BytesIO(file.stream.read())
                return notes, csv_batches(content, dialect, notes, path, bounded), dialect.decimal
            return notes, _reopened(path, dialect, notes, bounded), dialect.decimal
        if file.packed:
            raise DataError(f"{path}: is a {file.content} file packed with {file.packed}; unpack it first")
        if path.is_fifo():
            kind = file.content.capitalize()
            raise DataError(f"{path}: is a pipe, and {kind} needs a file: save the data to a file and give its name")
        if file.content == "excel":
            return workbook(path, given, kinds)
        return [], scanned(path, rows, file.content), None


def _reopened(path: Path, dialect: Dialect, notes: list[str], bounded: bool) -> Iterator[pl.DataFrame]:
    with opened(path) as file:
        yield from csv_batches(file.stream, dialect, notes, path, bounded)


def _sha256(path: Path) -> str:
    """Hash a file's content, or the names and contents of a folder's Parquet files; "" for a pipe."""
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
