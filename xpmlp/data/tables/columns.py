"""The human-readable schema of a table: each column's kind, the reason for it, and the style of its cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field

from xpmlp._text import aligned
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.saved import Frozen, Saved
from xpmlp.errors import DataError

Kind = Literal["number", "category", "truth", "date", "clock", "text", "id", "constant"]

KINDS: tuple[Kind, ...] = get_args(Kind)

KIND_SENTENCES: dict[Kind, str] = {
    "number": "scaled by median and quartiles; missing values become the median, beside a mark if training has some",
    "category": "a code for each category, one for the rare ones together; with an order, the rank as a number",
    "truth": "1 and -1, 0 for a missing value",
    "date": "days passed, year, and month, day, weekday and hour as cycles where they vary",
    "clock": "the time of day, as a cycle",
    "text": "its length, the words that tell most of the target, the others hashed",
    "id": "left out",
    "constant": "left out",
}
"""How each kind is encoded, for the documentation and ``xpmlp data describe``."""

MAX_COLUMNS = 200_000
MAX_NAME = 10_000
MAX_LEVELS = 10_000
"""Maximum number of categories of a column with a code of their own: the commonest ones."""

Name = Annotated[str, Field(max_length=MAX_NAME)]
Size = Annotated[int, Field(ge=0, lt=2**53)]


class NumberStyle(Frozen):
    """The style in which numbers are written as text.

    Attributes
    ----------
    decimal : "." or ","
    thousands : str
        The character between groups of three digits; "" for none.
    unit : str
        A currency sign or ``%`` at either end, or a word such as ``kg`` after every number; removed when reading.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    unit: str = Field("", max_length=10)

    def with_decimal(self, decimal: Literal[".", ","]) -> NumberStyle:
        """Return the style with a decimal mark; the two marks change places where the other separates thousands."""
        thousands = self.decimal if self.thousands == decimal else self.thousands
        return self.model_copy(update={"decimal": decimal, "thousands": thousands})

    def describe(self) -> str:
        """Describe the differences from plain numbers; "" if there are none."""
        parts = [
            "with decimal commas" if self.decimal == "," else "",
            f"with {self.thousands!r} between thousands" if self.thousands else "",
            f"in {self.unit}" if self.unit else "",
        ]
        return ", ".join(part for part in parts if part)


class Column(Frozen):
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : Kind
    why : str
        The rule that determined the kind.
    missing, distinct : int
        The numbers of missing and of distinct other values, in the rows from which the schema was inferred.
    shown : str
        The range or the commonest values, for display.
    order : tuple of str
        The categories of an ordered category, from the lowest.
    style : NumberStyle
        The style of numbers written as text.
    date_formats : tuple of str
        The formats of dates written as text, without the zone.
    zone : str
        The time zone of a date's hours, "" for none.
    note : str
        The treatment of odd values.
    """

    name: Name
    kind: Kind
    why: str = Field("", max_length=1_000)
    missing: Size = 0
    distinct: Size = 0
    shown: str = Field("", max_length=1_000)
    order: tuple[Name, ...] = Field((), max_length=MAX_LEVELS)
    style: NumberStyle = NumberStyle()
    date_formats: tuple[Annotated[str, Field(max_length=100)], ...] = Field((), max_length=30)
    zone: str = Field("", max_length=100)
    note: str = Field("", max_length=1_000)

    @property
    def is_used(self) -> bool:
        """Whether the column is an input of the network."""
        return self.kind not in ("id", "constant")


class Schema(Saved):
    """The kinds of a table's columns.

    Attributes
    ----------
    columns : tuple of Column
        The features, in the table's order.
    rows : int
        The number of rows from which it was inferred.
    missing : tuple of str
        The texts that mean a missing value.
    """

    called = "a schema"

    columns: tuple[Column, ...] = Field(max_length=MAX_COLUMNS)
    rows: Size = 0
    missing: tuple[Name, ...] = Field((), max_length=1_000)

    def __getitem__(self, name: str) -> Column:
        """Get a column by its name."""
        return {column.name: column for column in self.columns}[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(column.name for column in self.columns)

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are inputs of the network."""
        return tuple(column for column in self.columns if column.is_used)

    def cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the head and the rows of the schema as a table of texts."""
        rows: list[tuple[str, ...]] = [
            (
                column.name,
                column.kind if not column.order else "category, ordered",
                f"{column.missing:,}" if column.missing else "-",
                f"{column.distinct:,}",
                column.shown,
                "; ".join(part for part in (column.why, column.note) if part),
            )
            for column in self.columns
        ]
        return ("column", "kind", "missing", "distinct", "values", "why"), rows

    def __str__(self) -> str:
        """Lay the columns out as a table."""
        head, rows = self.cells()
        shown = [tuple(_cut(cell, 44 if place < 5 else 200) for place, cell in enumerate(row)) for row in [head, *rows]]
        return aligned(shown[0], shown[1:])


class Override(Frozen):
    """A kind set by the user, with the order of an ordered category."""

    kind: Kind
    order: tuple[Name, ...] = ()

    @classmethod
    def of_order(cls, name: str, order: tuple[str, ...]) -> Override:
        """Make a category with this order of a column; refuse more or longer categories than can be saved."""
        if len(order) > MAX_LEVELS or max(map(len, order), default=0) > MAX_NAME:
            raise DataError(
                f"column {quoted(name)} has an order of {len(order):,} categories: at most {MAX_LEVELS:,} are allowed, "
                f"of at most {MAX_NAME:,} characters; make a category without an order of it, or numbers"
            )
        return cls(kind="category", order=order)


def parse_types(given: str | Mapping[str, str] | None, names: Sequence[str]) -> dict[str, Override]:
    """Parse the kinds set by the user: ``"zip=category, size=small<medium<large"``, or a mapping of the same.

    Parameters
    ----------
    given : str, mapping or None
    names : sequence of str
        The table's columns.

    Raises
    ------
    DataError
        If a column or a kind is unknown, or an order has an empty or a repeated category.
    """
    overrides = {}
    for name, kind in type_pairs(given).items():
        if name not in names:
            raise DataError(f"types: there is no column {quoted(name)}{did_you_mean(name, names)}")
        if "<" in kind:
            order = tuple(level.strip() for level in kind.split("<"))
            if len(set(order)) < len(order) or "" in order:
                raise DataError(f"types: the order of {quoted(name)} has a category twice, or an empty one")
            overrides[name] = Override.of_order(name, order)
        elif kind in KINDS:
            overrides[name] = Override(kind=kind)
        else:
            raise DataError(
                f"types: {quoted(name)} cannot be {quoted(kind)}{did_you_mean(kind, KINDS)}; an order is written "
                "small<medium<large"
            )
    return overrides


def type_pairs(given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Split ``"zip=category, size=small<medium<large"`` into a mapping; a mapping is copied."""
    if not given:
        return {}
    return dict(given) if isinstance(given, Mapping) else dict(map(_pair, _split(given)))


def _split(text: str) -> list[str]:
    parts = [part for part in (piece.strip() for piece in re.split(r"[,\n]", text)) if part]
    if not parts:
        raise DataError("types: nothing is given; write column=kind, as zip=category")
    return parts


def _pair(text: str) -> tuple[str, str]:
    name, equals, kind = (part.strip() for part in text.rpartition("="))
    if not equals or not name or not kind:
        raise DataError(f"types: {quoted(text)} is no column=kind; the kinds are {listed(KINDS)}")
    return name, kind


def _cut(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 3] + "..."
