"""The format `table`: columns of any kind, from any file that `xpmlp.data.tables` reads."""

from __future__ import annotations

from xpmlp.data.dataset import Dataset
from xpmlp.data.format import DRAWN_PARTS, Format, Request
from xpmlp.data.table_options import Given, TableOptions
from xpmlp.errors import DataError

TABLE_KEYS = tuple(
    name for name in (*TableOptions._fields, *Given._fields) if name not in ("features", "scale_target", "given")
)
"""The keys of ``[data]`` that apply to tables only."""


def _read(request: Request) -> Dataset:
    from xpmlp.data.tables import load_table  # heavy, so imported late

    return load_table(request)


def or_as_table(request: Request) -> str:
    """Return the advice to leave out ``data.name`` if the file can be read as a table with all targets, else ""."""
    from xpmlp.data.tables import read_batches  # heavy, so imported late

    if not request.path.is_file():  # a pipe is read once
        return ""
    try:
        columns = next(read_batches(request.path)[1]).columns
    except DataError:
        return ""
    targets = (request.target,) if isinstance(request.target, str) else request.target
    return " (or leave out data.name: then it is read as a table of any kind)" if set(targets) <= set(columns) else ""


TABLE = Format(
    "your own table: CSV in any dialect, Parquet, Arrow or Excel, with columns of any kind",
    _read,
    ("path", "target", "features", "missing", *DRAWN_PARTS, *TABLE_KEYS),
    has_values=True,
    where='set data.path = "FILE"',
    folders=True,
)
