"""User options for a table: its columns, its parts, and the dialect of its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

Task = Literal["auto", "classes", "values"]


class Given(NamedTuple):
    """The dialect of a file as given by the user; None for settings to detect.

    Attributes
    ----------
    separator : str, optional
        One character, or "blanks".
    quote : str, optional
        One character; "" for none.
    decimal : "." or ",", optional
    encoding : str, optional
    header : bool, optional
    comment : str, optional
        The start of comment lines; "" for none.
    """

    separator: str | None = None
    quote: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: bool | None = None
    comment: str | None = None


class TableOptions(NamedTuple):
    """Options for a table, as the keys of ``[data]``.

    Attributes
    ----------
    features : tuple of str, optional
        The columns to take; by default all not named by another option.
    drop : tuple of str
    weights, group, time : str, optional
        Columns: the weight of each row; the group, whose rows are never on both sides of a split; the time, by which
        the newest rows are held out.
    types : mapping, optional
        The kinds of columns, by name.
    task : "auto", "classes" or "values"
    test, validation : Path, optional
        Files with those parts.
    log_target : bool
    scale_target : bool
    given : Given
        Settings of a CSV file's dialect.
    """

    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    weights: str | None = None
    group: str | None = None
    time: str | None = None
    types: Mapping[str, str] | None = None
    task: Task = "auto"
    test: Path | None = None
    validation: Path | None = None
    log_target: bool = False
    scale_target: bool = True
    given: Given = Given()
