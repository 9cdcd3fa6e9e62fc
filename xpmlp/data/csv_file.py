"""The format `csv`: a CSV file with a header, numeric feature columns, and a target column of any type.

polars reads the file.  Mistakes that polars lets pass (repeated column names, short rows, an index without a name)
are caught here, since the network would otherwise be trained on the wrong columns.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpmlp._optional import Library
from xpmlp._paths import given_path
from xpmlp.data.format import DRAWN_PARTS, Format, Request
from xpmlp.data.frames import places_of
from xpmlp.data.labels import MISSING, finite_number, gaps, typed_labels
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.objects import MAX_LABEL_LENGTH
from xpmlp.data.source import check_source
from xpmlp.data.table import Table, TargetKind, check_features
from xpmlp.data.table_format import or_as_table
from xpmlp.errors import DataError

if TYPE_CHECKING:
    import polars as pl

POLARS = Library("polars", "polars", "polars")

MAX_BYTES = 2**32
"""Size limit of a CSV file; a larger table belongs in an npz file, since text takes several times its size to read."""

MAX_COLUMNS = 50_000
"""Limit on columns; a longer header is taken for a mistake (a transposed table, or not a table at all)."""

_CONTROL = r"[\x00-\x1f\x7f]"
"""Control characters, allowed in no name: with stray quotes and line ends, polars misreads the fields around them."""

_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda")
"""The first bytes of gzip, zstd and zlib."""

_ZLIB_OR_TEXT = b"x^"
"""First bytes of text (the header ``x^2,y``) that polars takes for zlib, unless a byte order mark precedes them."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CHUNK = 1 << 20


def read_csv_table(
    path: str | Path,
    target: str | Sequence[str],
    feature_names: tuple[str, ...] | None = None,
    *,
    kind: TargetKind = "auto",
    missing: Sequence[str] = MISSING,
) -> Table:
    """Read a table whose labels are the column ``target``, or several columns.

    Parameters
    ----------
    path : str or Path
        A file, or a pipe (which can be read only once).
    target : str or sequence of str
    feature_names : tuple of str, or None
        The columns that are features, in this order; by default all but the targets.
    kind : "auto", "classes", "values" or "flags"
        A single target column as labels (see `xpmlp.data.labels`) or numbers; by default numbers if it has fractions.
    missing : sequence of str
        The texts that mean a missing value.

    Raises
    ------
    DataError
        If the file is missing, empty or not a well-formed CSV with a header, has no column ``target`` or no other
        column, lacks one of ``feature_names``, or a value is missing or not a number where one is needed.
    """
    targets = (target,) if isinstance(target, str) else tuple(target)
    path = given_path(path)
    source = _content(path)
    frame = _read_frame(path, source)
    columns = frame.columns
    absent = set(targets).difference(columns)
    if absent:
        target = next(target for target in targets if target in absent)
        raise DataError(f"{path}: has no column {target!r} for the target{did_you_mean(target, columns)}")
    names = _feature_names(path, frame, targets, feature_names)
    return Table(
        name=str(path),
        features=_numeric_columns(path, frame, names, missing),
        labels=_targets(path, frame, targets, kind, missing),
        image_shape=None,
        feature_names=names,
        hashes={path.name: hashlib.sha256(source).hexdigest()},
        target_names=targets,
        class_names=targets,
        keeps_reals=True,
    )


def read_csv_features(
    path: Path,
    names: tuple[str, ...] | None,
    target: str | Sequence[str] | None,
    *,
    missing: Sequence[str] = MISSING,
) -> NDArray[np.float64]:
    """Read the feature columns of a CSV file: those in ``names``, in that order, or all but ``target``.

    Raises
    ------
    DataError
        As ``read_csv_table``, and if one of ``names`` is missing.
    """
    frame = _read_frame(path, _content(path))
    targets: tuple[str, ...] = ()
    if names is None:
        _refuse_data_as_header(path, frame.columns)
        targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    return _numeric_columns(path, frame, _feature_names(path, frame, targets, names), missing)


def _feature_names(
    path: Path, frame: pl.DataFrame, targets: tuple[str, ...], wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the feature columns' names: those wanted, in their order, or all but the targets."""
    excluded = set(targets)
    names = [name for name in frame.columns if name not in excluded]
    return tuple(names[place] for place in places_of(names, wanted, str(path)))


def _content(path: Path) -> bytes:
    """Read the content of a file or a pipe, once.

    Raises
    ------
    DataError
        If it is compressed (polars would decompress it without a limit), larger than `MAX_BYTES`, or unreadable.
    """
    pipe = check_source(path, pipes=True)
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith(_COMPRESSED):
                raise DataError(f"{path}: is compressed; decompress it first")
            pieces, size = [start], len(start) if pipe else path.stat().st_size
            while size <= MAX_BYTES and (piece := file.read(_CHUNK if pipe else -1)):
                pieces.append(piece)
                size += len(piece) if pipe else 0
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if pipe and not size:
        raise DataError(
            f"{path}: is a pipe that holds nothing, or was read before; to have it read again, save the table to a file"
        )
    if size > MAX_BYTES:
        raise DataError(f"{path}: has {size:,} bytes; at most {MAX_BYTES:,} can be read as CSV: save it as npz")
    return b"".join(pieces)


def _read_frame(path: Path, source: bytes) -> pl.DataFrame:
    """Read the file's fields as strings, under the header's column names.

    Letting polars infer the column types from all rows takes ten times as long, and from some rows it is unreliable.
    """
    with POLARS.needed_by(f"reading {path}"):
        import polars as pl

    try:
        if source.startswith(_ZLIB_OR_TEXT):
            source = _BYTE_ORDER_MARK + source
        header = pl.read_csv(
            source, has_header=False, n_rows=1, infer_schema=False, glob=False, truncate_ragged_lines=True
        )
        _refuse_other_separators(path, header)
        if header.width > MAX_COLUMNS:
            raise DataError(
                f"{path}: has {header.width:,} columns; at most {MAX_COLUMNS:,} can be read from a CSV file"
            )
        frame = pl.read_csv(source, infer_schema=False, glob=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: is empty; a header and rows are needed") from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a well-formed CSV file ({_reason(error)})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if header.height == 0 or header.width != frame.width:
        raise DataError(f"{path}: does not begin with a header that names every column")
    names = [(name or "").strip() for name in header.row(0)]
    if "" in names:
        raise DataError(
            f"{path}: column {names.index('') + 1} has no name in the header; if it is an index, write the file "
            "without it, else name it"
        )
    for number, name in enumerate(names, start=1):
        if re.search(_CONTROL, name):
            raise DataError(f"{path}: column {number} has control characters in its name, {quoted(name)}; is it text?")
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        _refuse_data_as_header(path, names)
        raise DataError(f"{path}: the header names {listed(repeated)} more than once; rename or drop columns")
    frame.columns = names
    frame = _without_blank_end(frame)
    if frame.height == 0:
        raise DataError(f"{path}: has a header but no rows")
    return frame


def _reason(error: Exception) -> str:
    """Return the reason in a polars error, without its advice on calling polars."""
    first = str(error).strip().splitlines()[0]
    if "more fields" in first:
        return "a row has more fields than the header"
    if "could not parse" in first:
        return "a field cannot be parsed; is a quote left open?"
    return first


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the empty rows that blank lines at the end of a file become."""
    height = frame.height
    while height and all(value is None for value in frame.row(height - 1)):
        height -= 1
    return frame.head(height)


def _numeric_columns(
    path: Path, frame: pl.DataFrame, names: tuple[str, ...], missing: Sequence[str]
) -> NDArray[np.float64]:
    if not names:
        raise DataError(f"{path}: has no feature columns; fields are separated by commas")
    import polars as pl

    parsed = frame[list(names)].select(pl.all().str.strip_chars().cast(pl.Float64, strict=False))
    features = parsed.to_numpy(order="c", writable=True)
    doubtful = ~np.isfinite(features).all(axis=0)  # a series at a time would take long for many columns
    if any(finite_number(text) is not None for text in missing):
        doubtful[:] = True
    for index in np.flatnonzero(doubtful).tolist():
        features[:, index] = _numbers(path, _field_column(frame, names[index]), missing)
    return check_features(features, str(path), names)


def _field_column(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column's fields stripped of surrounding spaces, with blank ones null."""
    return frame[name].str.strip_chars().replace("", None)


def _numbers(path: Path, column: pl.Series, missing: Sequence[str]) -> NDArray[np.float64]:
    """Convert a column to numbers, truth values to 1 and 0."""
    import polars as pl

    _refuse_empty(path, column)
    fields = column.cast(pl.Float64, strict=False)
    numbers = fields.to_numpy()
    if not np.isfinite(numbers).all() or any(finite_number(text) is not None for text in missing):
        gap = gaps(column, missing)
        if gap.any():
            row = gap.arg_max() or 0
            what = (
                "is missing (NaN), as listed in data.missing"
                if fields[row] is not None and np.isnan(fields[row])
                else f"has {quoted(column[row])}, which data.missing takes for a missing value"
            )
            raise DataError(f"{path}: row {row + 1}, column {quoted(column.name)} {what}; fill it in or drop the row")
    if fields.null_count():
        truths = _truths(column)
        if truths is not None:
            return truths.astype(np.float64)
        row = fields.is_null().arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1}, column {quoted(column.name)} has {quoted(column[row])}, which is not a number; "
            "encode the column as numbers or drop it"
        )
    return numbers


def _truths(column: pl.Series) -> NDArray[np.bool_] | None:
    """Convert a column of "true" and "false", in any case, to booleans; None if it has other values."""
    folded = column.str.to_lowercase()
    return (folded == "true").to_numpy() if folded.is_in(["true", "false"]).all() else None


def _targets(
    path: Path, frame: pl.DataFrame, names: tuple[str, ...], kind: TargetKind, missing: Sequence[str]
) -> NDArray[Any]:
    """Return the labels or numbers of one column, (n,), or the numbers of several, (n, n_targets)."""
    if len(names) > 1:
        return np.stack([_numbers(path, _field_column(frame, name), missing) for name in names], axis=1)
    column = _field_column(frame, names[0])
    _refuse_empty(path, column)
    if _has_numbers(column, kind) or (kind == "values" and gaps(column, missing).any()):
        return _numbers(path, column, missing)
    return _labels(path, column, missing)


def _has_numbers(column: pl.Series, kind: TargetKind) -> bool:
    """Whether to read targets as numbers: all are numbers, and values are wanted or some cannot be labels."""
    import polars as pl

    fields = column.cast(pl.Float64, strict=False)
    if fields.null_count():
        return kind == "values" and _truths(column) is not None
    others = fields.filter(column.cast(pl.Int64, strict=False).is_null()).to_numpy()
    others = others[~np.isnan(others)]
    return kind == "values" or bool(((others != np.trunc(others)) | (np.abs(others) >= 2.0**63)).any())


def _labels(path: Path, column: pl.Series, missing: Sequence[str]) -> NDArray[Any]:
    """Return the labels as numbers or truth values where text and value correspond, else as text."""
    gap = gaps(column, missing)
    if gap.any():
        row = gap.arg_max() or 0
        raise DataError(
            f"{path}: the target of row {row + 1} is missing: column {quoted(column.name)} has {quoted(column[row])}, "
            "which data.missing takes for a missing value; fill it in or drop the row, or set data.missing = [] "
            "if it is a class"
        )
    typed = typed_labels(column)
    if typed is not None:
        return typed
    garbled = column.str.contains(_CONTROL)
    if garbled.any():
        row = garbled.arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1}, column {quoted(column.name)} has a label with control characters, "
            f"{quoted(column[row])}; is it text, its lines ended as usual?"
        )
    lengths = column.str.len_chars()
    if (lengths > MAX_LABEL_LENGTH).any():  # NumPy would make every label as long as the longest
        row = lengths.arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1}, column {quoted(column.name)} has a label of {lengths[row]:,} characters; at most "
            f"{MAX_LABEL_LENGTH} are allowed"
        )
    return np.asarray(column.to_list(), dtype=np.str_)


def _refuse_empty(path: Path, column: pl.Series) -> None:
    if column.null_count():
        row = column.is_null().arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1} has no value in column {quoted(column.name)}; fill it in or drop the row"
        )


def _refuse_other_separators(path: Path, header: pl.DataFrame) -> None:
    """Refuse fields separated by semicolons or tabs, which spreadsheets write where the comma is the decimal point."""
    if header.shape == (1, 1):
        for character, name in ((";", "semicolons"), ("\t", "tabs")):
            if character in (header.item() or ""):
                raise DataError(f"{path}: its fields are separated by {name}; save it with commas between them")


def _refuse_data_as_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a file without a header, whose first row would be lost; a header of 0, 1, 2 ... is accepted."""
    counted = ([str(i) for i in range(len(names))], [str(i + 1) for i in range(len(names))])
    if list(names) not in counted and all(_is_number(name) for name in names):
        raise DataError(f"{path}: its first line has numbers only; a header that names the columns is needed")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read(request: Request) -> Table:
    try:
        return read_csv_table(
            request.path, request.target, request.feature_names, kind=request.targets, missing=request.missing
        )
    except DataError as error:
        raise DataError(f"{error}{or_as_table(request)}") from None


def _read_features(request: Request) -> NDArray[np.float64]:
    return read_csv_features(request.path, request.feature_names, request.target, missing=request.missing)


CSV = Format(
    "your own table: a header, numeric columns, a target",
    _read,
    ("path", "target", "missing", "standardize", *DRAWN_PARTS),
    (".csv",),
    _read_features,
    has_values=True,
    where='set data.path = "FILE.csv"',
)
