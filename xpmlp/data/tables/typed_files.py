"""Reading of tables from Parquet, Arrow and Excel files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from xpmlp._optional import Library
from xpmlp.data.messages import quoted
from xpmlp.data.table_options import Given
from xpmlp.data.tables.dialect import MAX_ROWS
from xpmlp.data.tables.header import find_header, name_columns
from xpmlp.data.tables.streams import MAX_BYTES
from xpmlp.errors import DataError

MAX_CELLS = 2**32
"""Maximum number of cells (rows times columns) of a Parquet or Arrow file."""

_DAY_ZERO = r"^1899-12-3[01] ([0-9]{2}:[0-9]{2})"  # of times of day in a workbook
_EXCEL = Library("fastexcel", "fastexcel", "'xpmlp[excel]'")


def scanned(path: Path, rows: int | None, content: str = "parquet") -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file, a folder of them, or an Arrow file."""
    with _explained(path):
        if path.is_dir():
            scan = _folder(path)
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


def _folder(path: Path) -> pl.LazyFrame:
    """Scan a folder's Parquet files; folders such as ``year=2020`` give the column ``year`` of texts, as in Hive."""
    keys = {_keys(file.parent) for file in path.rglob("*.parquet")}
    if not keys:
        raise DataError(f"{path}: no such file; there is a folder of this name, without Parquet files in it")
    partitioned = keys != {_keys(path.parent)}
    if partitioned and len(keys) > 1:
        raise DataError(
            f"{path}: some of its Parquet files are in folders such as year=2020, others in folders of other kinds"
        )
    types = dict.fromkeys(next(iter(keys)), pl.String) if partitioned else None
    return pl.scan_parquet(path / "**/*.parquet", hive_partitioning=partitioned, hive_schema=types)


def _keys(folder: Path) -> tuple[str, ...]:
    """Return the names of columns in a folder's path, as ``year`` in ``year=2020``."""
    return tuple(part.split("=")[0] for part in folder.parts if part.count("=") == 1)


def workbook(path: Path, given: Given, kinds: Mapping[str, str]) -> tuple[list[str], Iterator[pl.DataFrame], None]:
    """Read the first sheet with rows of a workbook, its cells as texts; its header is found as in a CSV file."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise DataError(f"{path}: unpacks to more than {MAX_BYTES:,} bytes: save the sheet as CSV")
    with _EXCEL.needed_by(f"reading {path}"):
        import fastexcel
    how: Any = {"engine": "calamine", "infer_schema_length": 0}
    how |= dict.fromkeys(("has_header", "raise_if_empty", "drop_empty_rows"), False)
    with _explained(path):
        try:
            sheets = pl.read_excel(path, sheet_id=0, **how)
        except fastexcel.FastExcelError as error:
            raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0][:200]})") from None
    first = next(_with_rows(sheets), None)
    if first is None:
        raise DataError(f"{path}: its sheets have no rows")
    name, cells, filled = first
    notes = [f"of {len(sheets)} sheets {quoted(name)} is read, the first with rows"] if len(sheets) > 1 else []
    rows = [[cell or "" for cell in row] for row in cells[filled[:MAX_ROWS]].rows()]
    titles, in_header, header = find_header([_without_end(row) for row in rows], given, notes, kinds)
    before = titles + in_header
    data = cells[filled[before - 1] + 1 if before else filled[0] : filled[-1] + 1]
    if not data.height:
        raise DataError(f"{path}: its first sheet with rows, {quoted(name)}, has a header but no rows")
    if header is not None:
        header = (*map(str.strip, header), *[""] * (data.width - len(header)))
    names = name_columns(header, data.width, rows[before:], notes, str(path))
    kept = {place: name for place, name in enumerate(names) if name}
    frame = pl.DataFrame([data.to_series(place).alias(name) for place, name in kept.items()])
    return notes, iter([frame]), None


def _with_rows(sheets: dict[str, pl.DataFrame]) -> Iterator[tuple[str, pl.DataFrame, pl.Series]]:
    """Yield the sheets with rows: the name, the cells as texts, null for blanks, and the indices of non-blank rows."""
    text = pl.all().cast(pl.String).str.replace(_DAY_ZERO, "$1")
    for name, sheet in sheets.items():
        cells = sheet.with_columns(pl.when(text.str.strip_chars() != "").then(text))
        filled = cells.select(pl.arg_where(pl.any_horizontal(pl.all().is_not_null()))).to_series()
        if len(filled):
            yield name, cells, filled


def _without_end(row: Sequence[str]) -> list[str]:
    """Cut a row after its last non-blank field."""
    filled = [place for place, cell in enumerate(row) if cell.strip()]
    return list(row[: filled[-1] + 1]) if filled else []


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn polars' errors, including its panics on damaged files, into a one-sentence `DataError`."""
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
