"""Detection of the header in a table of text, and of the columns' names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from xpmlp.data.labels import MISSING, finite_number
from xpmlp.data.messages import listed, quoted
from xpmlp.data.table_options import Given
from xpmlp.data.tables.cells import gap_texts
from xpmlp.data.tables.columns import MAX_COLUMNS
from xpmlp.errors import DataError

MAX_PREAMBLE = 30
"""Maximum number of lines before the header: titles, comments, blank lines."""

FEWEST_BELOW = 5
"""Minimum number of values below a second header row that tell it from a row of the table."""

ROW_NAME = "row name"
"""The name given to R's row names, above which its header has none."""

NO_VALUE = re.compile(
    r"^(\?+|\*+|-+|\.+|x+|unknown|unk|none|missing|not available|n\.a\.|#n/a|undefined)$", re.IGNORECASE
)
"""Words that often stand for a missing value."""

_RULE = re.compile("^[-+=:| ]*-{3}[-+=:| ]*$")
"""A row of dashes, as SQL clients draw it below a header."""


class Header(NamedTuple):
    """The position of a table's header, and its names.

    Attributes
    ----------
    titles : int
        The number of rows before the header.
    rows : int
        The number of rows of the header, including a row of units below it; 0 if there is none.
    names : tuple of str, or None
        The names in the header.
    """

    titles: int
    rows: int
    names: tuple[str, ...] | None


def find_header(rows: Sequence[Sequence[str]], given: Given, notes: list[str], kinds: Mapping[str, str] = {}) -> Header:
    """Find the header below any titles; it may have two rows: merged cells above names, or names above units.

    Below the names of training's numbers, as told by ``kinds``, one value is enough to tell units.
    """
    titles, in_header, names = _titles(rows, given), 1, None
    repeated = len(set(rows[titles])) < len(rows[titles]) and is_header(rows[titles], rows[titles + 1 :])
    if titles and repeated and len(rows[titles - 1]) > 1:
        titles -= 1  # merged cells, of which the last is over several columns
    first, rest = rows[titles], rows[titles + 1 :]
    second = rest[0] if rest else ()
    above = [*first, *[""] * (len(second) - len(first))]
    complete = all(map(str.strip, above)) and len(set(above)) == len(above)
    if given.header is not None:
        names = tuple(first) if given.header else None
    elif _RULE.match(" ".join(second)) and ("-+-" in second[0] or _fills(second, first)):
        in_header, names = 2, tuple(first)
        notes.append("the row of dashes below the header is left out")
    elif numeric := _above_numbers(second, rest[1:], [kinds.get(name.strip()) == "number" for name in first]):
        below_merged = (
            not complete and all(map(str.strip, second)) and (numeric > 1 or not all(map(str.strip, above[1:])))
        )
        if complete and numeric > 1:
            in_header, names = 2, tuple(first)
            units = [unit.strip() for unit in second if unit.strip()]
            notes.append(f"the row below the header has units, and is left out: {listed(units, 3)}")
        elif below_merged and len(set(second)) == len(second):
            titles, names = titles + 1, tuple(second)
        elif below_merged:
            for place, group in enumerate(above):  # the text of merged cells is in the first of them
                above[place] = group.strip() or (above[place - 1] if place else "")
            in_header, names = 2, tuple(f"{group} {name}".strip() for group, name in zip(above, second, strict=False))
            notes.append(f"the header has two rows, which are joined: {listed(names, 3)}")
    if names is None and given.header is None and is_header(first, rest):
        names = tuple(first)
    if titles:
        notes.append(f"{titles} lines before the header are left out")
    return Header(titles, in_header if names is not None else 0, names)


def _fills(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row has a field for each name."""
    return len(row) >= len(names) and all(
        field.strip() for field, name in zip(row, names, strict=False) if name.strip()
    )


def _above_numbers(row: Sequence[str], rest: Sequence[Sequence[str]], known: Sequence[bool]) -> int:
    """Count the columns of numbers below a row: 0 unless it has a unique word, no missing-value marker, above each."""
    numeric, markers = 0, gap_texts(MISSING)
    for place, word in enumerate(row):
        present = [one[place].strip() for one in rest if place < len(one) and one[place].strip()]
        fewest = 1 if place < len(known) and known[place] else FEWEST_BELOW
        if len(present) < fewest or sum(map(is_number, present)) < 0.9 * len(present):
            continue
        word = word.strip()
        if not word or is_number(word) or NO_VALUE.match(word) or word in present or markers & {word, word.upper()}:
            return 0
        numeric += 1
    return numeric


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a row names the columns: it has no number above numbers, and some word that does not recur below it."""
    others = [row for row in rest if list(row) != list(first)]
    if not others:
        return not all(is_number(name) for name in first if name.strip())
    counted = [[str(place + start) for place in range(len(first))] for start in (0, 1)]
    if [name.strip() for name in first] in counted:
        return True
    says_so = False
    for place, name in enumerate(first):
        name = name.strip()
        column = [row[place].strip() for row in others if place < len(row)]
        present = [value for value in column if value]
        if not name or not present:
            continue
        if is_number(name):
            numeric = sum(map(is_number, present)) / len(present)
            year = name.isdecimal() and 1900 <= int(name) <= 2100
            if numeric >= 0.9 and not year:
                return False
        elif name not in present:
            says_so = True
    return says_so


def _titles(rows: Sequence[Sequence[str]], given: Given) -> int:
    """Count the rows before the header: rows shorter than the table."""
    width, titles = width_of_most(rows[1:] or rows), 0
    while titles < min(MAX_PREAMBLE, len(rows) - 2) and len(rows[titles]) < width:
        whole = next((place for place in range(titles, len(rows)) if len(rows[place]) >= width), len(rows) - 1)
        if len(rows[titles]) == width - 1 and not (
            is_header(rows[whole], rows[whole + 1 :]) and given.header is not False
        ):
            break  # a header without a name for the first column, or rows that end with a separator
        titles += 1
    return titles


def width_of_most(rows: Sequence[Sequence[str]]) -> int:
    """Return the commonest number of fields in a row."""
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def name_columns(
    header: tuple[str, ...] | None,
    width: int,
    rows: Sequence[Sequence[str]],
    notes: list[str],
    source: str,
    known: Collection[str] = (),
) -> tuple[str, ...]:
    """Name each field of a row; "" for fields to leave out.  The names known from training tell row names."""
    if header is None:
        counted = tuple(f"column {place + 1}" for place in range(width))
        notes.append(f"no header: the columns are called {listed(counted, 3)}")
        return counted
    names = list(header)
    width = width or len(names)
    if max(width, len(names)) > MAX_COLUMNS:
        raise DataError(f"{source}: has {len(names):,} columns; at most {MAX_COLUMNS:,} can be read from a CSV file")
    if width == len(names) + 1:
        if ROW_NAME not in {*known} - {*names} and all(len(row) < width or not row[-1].strip() for row in rows):
            names.append("")
            notes.append("the rows end with a blank field, for which the header has no name: it is left out")
        else:
            names.insert(0, ROW_NAME)
            notes.append(f"the header has no name for the first column: it is called {quoted(ROW_NAME)}")
    kept = []
    for place, name in enumerate(names):
        column = [row[place].strip() for row in rows if place < len(row)]
        if name:
            kept.append(name)
        elif not any(column):
            kept.append("")
        elif place == 0 and len(column) > 1 and len(set(column)) == len(column) and all(map(str.isdecimal, column)):
            kept.append("")
            notes.append("the first column has no name and counts the rows: it is left out")
        else:
            kept.append(f"column {place + 1}")
            notes.append(f"column {place + 1} has no name in the header")
    repeated = sorted(name for name, times in Counter(filter(None, kept)).items() if times > 1)
    if repeated:
        raise DataError(f"{source}: the header names {listed(repeated)} more than once; rename or drop columns")
    return tuple(kept)


def is_number(text: str) -> bool:
    """Whether a field is a number, with a point or a comma."""
    return finite_number(text.strip().replace(",", ".", 1)) is not None
