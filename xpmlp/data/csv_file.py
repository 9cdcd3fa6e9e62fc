"""A person's own CSV file: a header, numeric feature columns, and a target column of any type.

polars reads it.  What polars lets pass (repeated column names, short rows, an index without a name) is found
here, since it would train a network on something that nobody meant.
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
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.table import Table, check_features
from xpmlp.errors import DataError

if TYPE_CHECKING:
    import polars as pl

POLARS = Library("polars", "polars", "install it with `pip install polars`")

MAX_BYTES = 2**32
"""A larger table belongs in an npz file: read as text it needs several times its size in memory."""

MAX_COLUMNS = 50_000
"""A header with more names is taken for a mistake (a table on its side, a file that is no table)."""

MAX_LABEL_LENGTH = 256
"""A class's name is no longer; what is longer is no class but a text."""

_CONTROL = r"[\x00-\x1f\x7f]"
"""Characters that are in no name: what polars makes of quotes and line ends around them is not what was meant."""

_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda")
"""The first bytes of gzip, zstd and zlib."""

_ZLIB_OR_TEXT = b"x^"
"""Text, as in the header ``x^2,y``, but polars takes it for zlib."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_csv_table(path: str | Path, target: str | Sequence[str]) -> Table:
    """The table in ``path``: column ``target``, or several columns, are the labels, every other one is a feature.

    Raises
    ------
    DataError
        If the file is missing, empty or no well-formed CSV with a header, has no column ``target`` or no other
        column, or a value is missing or not a number where one is needed.
    """
    targets = (target,) if isinstance(target, str) else tuple(target)
    path = Path(path)
    frame = _read_frame(path)
    for target in targets:
        if target not in frame.columns:
            raise DataError(f"{path}: has no column {target!r} for the target{did_you_mean(target, frame.columns)}")
    names = tuple(name for name in frame.columns if name not in targets)
    features = _numeric_columns(path, frame, names)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(
        name=str(path),
        features=features,
        labels=_labels(path, frame, targets),
        image_shape=None,
        feature_names=names,
        hashes={path.name: digest},
        target_names=targets,
    )


def read_csv_features(
    path: Path, names: tuple[str, ...] | None, target: str | Sequence[str] | None
) -> NDArray[np.float64]:
    """The feature columns of ``path``: those called ``names``, in that order, or all but ``target``.

    Raises
    ------
    DataError
        As ``read_csv_table``, and if one of ``names`` is missing.
    """
    frame = _read_frame(path)
    if names is None:
        _refuse_data_as_header(path, frame.columns)
        targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
        return _numeric_columns(path, frame, tuple(name for name in frame.columns if name not in targets))
    missing = [name for name in names if name not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns)
        raise DataError(f"{path}: lacks {listed(missing)}, which the model was trained on{hint}")
    return _numeric_columns(path, frame, names)


def _read_frame(path: Path) -> pl.DataFrame:
    """The file's fields as strings, and its columns' names as the header has them.

    To have polars infer the columns' types from all rows takes ten times as long, and from some rows it errs.
    """
    with POLARS.needed_by(f"reading {path}"):
        import polars as pl

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        source = _checked(path)
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


def _checked(path: Path) -> Path | bytes:
    """What polars is to read: it would decompress a file without a limit, so none that looks compressed.

    Raises
    ------
    DataError
        If the file is compressed or absurdly large.
    """
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith(_COMPRESSED):
            raise DataError(f"{path}: is compressed; decompress it first")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: has {size:,} bytes; at most {MAX_BYTES:,} can be read as CSV: save it as npz")
        return _BYTE_ORDER_MARK + start + file.read() if start.startswith(_ZLIB_OR_TEXT) else path


def _reason(error: Exception) -> str:
    """The reason that polars gives, without its advice on how to call polars."""
    first = str(error).strip().splitlines()[0]
    if "more fields" in first:
        return "a row has more fields than the header"
    if "could not parse" in first:
        return "a field cannot be parsed; is a quote left open?"
    return first


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the rows of nothing that blank lines at a file's end make."""
    height = frame.height
    while height and all(value is None for value in frame.row(height - 1)):
        height -= 1
    return frame.head(height)


def _numeric_columns(path: Path, frame: pl.DataFrame, names: tuple[str, ...]) -> NDArray[np.float64]:
    if not names:
        raise DataError(f"{path}: has no feature columns; fields are separated by commas")
    features = np.empty((frame.height, len(names)))
    for index, name in enumerate(names):
        features[:, index] = _numbers(path, _field_column(frame, name))
    return check_features(features, str(path), names)


def _field_column(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column's fields without the spaces around them, null where there is nothing else."""
    return frame[name].str.strip_chars().replace("", None)


def _numbers(path: Path, column: pl.Series) -> NDArray[np.float64]:
    import polars as pl

    _refuse_missing(path, column)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count():
        truths = _truths(column)
        if truths is not None:
            return truths.astype(np.float64)
        row = numbers.is_null().arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1}, column {quoted(column.name)} has {quoted(column[row])}, which is not a number; "
            "encode the column as numbers or drop it"
        )
    return numbers.to_numpy()


def _labels(path: Path, frame: pl.DataFrame, targets: tuple[str, ...]) -> NDArray[Any]:
    """The labels of one column, (n,), or the numbers of several, (n, n_targets)."""
    if len(targets) == 1:
        return _column_labels(path, _field_column(frame, targets[0]))
    return np.stack([_numbers(path, _field_column(frame, name)) for name in targets], axis=1)


def _column_labels(path: Path, column: pl.Series) -> NDArray[Any]:
    """The labels as integers if all of them are, else as reals, truth values, or the strings they are."""
    import polars as pl

    _refuse_missing(path, column)
    for kind in (pl.Int64, pl.Float64):
        numbers = column.cast(kind, strict=False)
        if numbers.null_count() == 0:
            return numbers.to_numpy()
    truths = _truths(column)
    if truths is not None:
        return truths
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


def _truths(column: pl.Series) -> NDArray[np.bool_] | None:
    """Whether each value is "true", if all are "true" or "false", in capitals or not; else None."""
    folded = column.str.to_lowercase()
    return (folded == "true").to_numpy() if folded.is_in(["true", "false"]).all() else None


def _refuse_missing(path: Path, column: pl.Series) -> None:
    if column.null_count():
        row = column.is_null().arg_max() or 0
        raise DataError(
            f"{path}: row {row + 1} has no value in column {quoted(column.name)}; fill it in or drop the row"
        )


def _refuse_other_separators(path: Path, header: pl.DataFrame) -> None:
    """Notice the semicolons and tabs that spreadsheets write where the comma is the decimal point."""
    if header.shape == (1, 1):
        for character, name in ((";", "semicolons"), ("\t", "tabs")):
            if character in (header.item() or ""):
                raise DataError(f"{path}: its fields are separated by {name}; save it with commas between them")


def _refuse_data_as_header(path: Path, names: Sequence[str]) -> None:
    """Notice a file without a header, whose first row would be lost; a header 0, 1, 2 ... is one."""
    counted = ([str(i) for i in range(len(names))], [str(i + 1) for i in range(len(names))])
    if list(names) not in counted and all(_is_number(name) for name in names):
        raise DataError(f"{path}: its first line has numbers only; a header that names the columns is needed")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
