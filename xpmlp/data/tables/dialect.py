"""The dialect of a CSV file, found out from its beginning: encoding, separator, quotes, decimals, header, comments."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from xpmlp.data.labels import MISSING, finite_number
from xpmlp.data.messages import listed, quoted
from xpmlp.data.table_options import Given
from xpmlp.data.tables.columns import MAX_COLUMNS
from xpmlp.errors import DataError

SEPARATORS = (",", ";", "\t", "|")

MAX_ROWS = 300
"""Rows of the beginning that are looked at."""

MAX_PREAMBLE = 30
"""Lines before the header: titles, comments, blank ones."""

FEWEST_BELOW = 5
"""Values below a second row of the header, by which it is told from a row of the table."""

NO_VALUE = re.compile(
    r"^(\?+|\*+|-+|\.+|x+|unknown|unk|none|missing|not available|n\.a\.|#n/a|undefined)$", re.IGNORECASE
)
"""Words that often stand for a gap."""

BLANKS = "blanks"
"""The separator of columns that are apart by any number of blanks."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks", " ": "blanks"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DECIMAL_COMMA = re.compile(r"^[-+(]?[$€£]? ?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),[0-9]+ ?[%$€£]?\)?$")
_DECIMAL_POINT = re.compile(r"^[-+(]?[$€£]? ?(?:[0-9]*|[0-9]{1,3}(?:,[0-9]{3})+)\.[0-9]+ ?[%$€£]?\)?$")


class Dialect(NamedTuple):
    """The dialect of a CSV file.

    Attributes
    ----------
    encoding : str
    carriage_returns : bool
        Whether lines end with them alone.
    separator, quote, comment : str
    decimal : str, optional
        "." or ",", where it can be told.
    skipped : int
        Lines before the first row, the header included.
    header : tuple of str, or None
        The names as they stand in the file.
    names : tuple of str
        One for each field of a row; "" for fields that are left out.
    notes : tuple of str
        What was found out that a person might not expect.
    """

    encoding: str
    carriage_returns: bool
    separator: str
    quote: str
    comment: str
    decimal: str | None
    skipped: int
    header: tuple[str, ...] | None
    names: tuple[str, ...]
    notes: tuple[str, ...]


class Header(NamedTuple):
    """Where a table's header is.

    Attributes
    ----------
    titles : int
        Rows before it.
    rows : int
        Of the header, with a row of units below it; 0 if there is none.
    names : tuple of str, or None
        The names in it.
    """

    titles: int
    rows: int
    names: tuple[str, ...] | None


class _Rows(NamedTuple):
    """Rows of the beginning, and the line after each of them."""

    rows: list[list[str]]
    ends: list[int]


def find_dialect(start: bytes, *, whole: bool, given: Given, source: str) -> Dialect:
    """Find out the dialect of a CSV file.

    Parameters
    ----------
    start : bytes
        Its beginning.
    whole : bool
        Whether that is all of it.
    given : Given
        What is said of it.
    source : str
        How messages call it.

    Raises
    ------
    DataError
        If it is empty, or no text, or has no separator or no usable header.
    """
    notes: list[str] = []
    encoding = given.encoding or _encoding(start, whole, notes)
    text = _decoded(start, encoding, whole, source)
    carriage_returns = "\n" not in text and "\r" in text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not whole and "\n" in text:
        text = text[: text.rindex("\n")]
    lines = text.split("\n")
    if not text.strip():
        raise DataError(f"{source}: is empty; a header and rows are needed")
    skipped, separator, comment = _preamble(lines, given, notes)
    rest = "\n".join(lines[skipped:])
    quote = given.quote if given.quote is not None else _quote(rest)
    separator = separator or _separator(rest, quote)
    found = _rows(rest, separator, quote, comment)
    if not found.rows:
        raise DataError(f"{source}: is empty; a header and rows are needed")
    titles, in_header, told = find_header(found.rows, given, notes)
    rows, before = found.rows[titles:], titles + in_header
    data = rows[in_header:]
    width = _width(data)
    header = None if told is None else tuple(name.strip().lstrip("#").strip() for name in told)
    if _CONTROL.search("".join(rows[0])):
        name = next(name for name in rows[0] if _CONTROL.search(name))
        raise DataError(f"{source}: has control characters in its first line, {quoted(name[:40])}; is it text?")
    names = name_columns(header, width, data, notes, source)
    if separator != ",":
        notes.append(f"fields separated by {_NAMES.get(separator, quoted(separator))}")
    if quote == "'":
        notes.append("single quotes around fields")
    decimal = given.decimal or _decimal(data, separator)
    if decimal == ",":
        notes.append("decimal commas")
    skip = skipped + (found.ends[before - 1] if before else 0)
    return Dialect(encoding, carriage_returns, separator, quote, comment, decimal, skip, header, names, tuple(notes))


def find_header(rows: Sequence[Sequence[str]], given: Given, notes: list[str]) -> Header:
    """Find the header below titles; of two rows, merged cells above names, or names above units."""
    titles, in_header, names = _titles(rows, given), 1, None
    first, rest = rows[titles], rows[titles + 1 :]
    if given.header is not None:
        names = tuple(first) if given.header else None
    elif rest and _above_numbers(rest[0], rest[1:]):
        second = rest[0]
        above = [*first, *[""] * (len(second) - len(first))]
        if all(map(str.strip, above)) and len(set(above)) == len(above):
            in_header, names = 2, tuple(first)
            units = [unit.strip() for unit in second if unit.strip()]
            notes.append(f"the row below the header has units, and is left out: {listed(units, 3)}")
        elif all(map(str.strip, second)) and len(set(second)) == len(second):
            titles, names = titles + 1, tuple(second)
        elif all(map(str.strip, second)):
            for place, group in enumerate(above):  # merged cells have their words in the first of them
                above[place] = group.strip() or (above[place - 1] if place else "")
            in_header, names = 2, tuple(f"{group} {name}".strip() for group, name in zip(above, second, strict=False))
            notes.append(f"the header has two rows, which are joined: {listed(names, 3)}")
    if names is None and given.header is None and is_header(first, rest):
        names = tuple(first)
    if titles:
        notes.append(f"{titles} lines before the header are left out")
    return Header(titles, in_header if names is not None else 0, names)


def _above_numbers(row: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a row has a word of its own, and no mark of a gap, above each of two or more columns of numbers."""
    numeric = 0
    for place, word in enumerate(row):
        present = [one[place].strip() for one in rest if place < len(one) and one[place].strip()]
        if len(present) < FEWEST_BELOW or sum(map(_is_number, present)) < 0.9 * len(present):
            continue
        word = word.strip()
        if not word or _is_number(word) or NO_VALUE.match(word) or word in present or word.upper() in MISSING:
            return False
        numeric += 1
    return numeric > 1


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a row names the columns: it has no number above numbers, nor only words that come again below them."""
    others = [row for row in rest if list(row) != list(first)]
    if not others:
        return not all(_is_number(name) for name in first if name.strip())
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
        if _is_number(name):
            numeric = sum(map(_is_number, present)) / len(present)
            year = name.isdecimal() and 1900 <= int(name) <= 2100
            if numeric >= 0.9 and not year:
                return False
        elif name not in present:
            says_so = True
    return says_so


def _encoding(start: bytes, whole: bool, notes: list[str]) -> str:
    mark = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if mark is not None:
        if mark != "utf-8-sig":
            notes.append(f"encoding {mark.upper()}")
        return mark
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) > 0.3 * len(start) / 2 and min(even, odd) < 0.05 * len(start) / 2:
        name = "utf-16-le" if odd > even else "utf-16-be"
        notes.append(f"encoding {name.upper()}, without a mark")
        return name
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if whole or error.start < len(start) - 4:
            notes.append("not UTF-8: read as Windows-1252; name another with --encoding")
            return "cp1252"
    return "utf-8"


def _decoded(start: bytes, encoding: str, whole: bool, source: str) -> str:
    try:
        text = start.decode(encoding, "strict" if whole else "ignore")
    except LookupError:
        raise DataError(f"{source}: there is no encoding {quoted(encoding)}; try utf-8, cp1252 or latin-1") from None
    except UnicodeDecodeError:
        if encoding != "cp1252":
            raise DataError(f"{source}: is not encoded as {encoding}; name another with --encoding") from None
        text = start.decode("latin-1")
    if "\0" in text:
        raise DataError(f"{source}: has bytes of value 0; is it text?")
    return text.removeprefix("\ufeff")


def _preamble(lines: Sequence[str], given: Given, notes: list[str]) -> tuple[int, str, str]:
    """The number of blank lines, comments and Excel's hint before the header; separator and comment mark, if told."""
    skipped, separator, comment = 0, given.separator or "", given.comment or ""
    while skipped < min(len(lines) - 1, MAX_PREAMBLE):
        line = lines[skipped].strip()
        hint = re.fullmatch(r'"?sep=(.)"?', line, re.IGNORECASE)
        if hint:
            separator = separator or hint[1]
        elif given.comment is None and line.startswith("#") and not _names_columns(line, lines[skipped + 1]):
            comment = "#"
            notes.append("lines that begin with '#' are taken for comments")
        elif line and not (comment and line.startswith(comment)):
            break
        skipped += 1
    return skipped, separator, comment


def _names_columns(line: str, below: str) -> bool:
    """Whether a line that begins with '#' is a header: as many fields as the line below it."""
    return not below.startswith("#") and any(
        line.count(separator) == below.count(separator) > 0 for separator in SEPARATORS
    )


def _quote(text: str) -> str:
    """The quotes around fields: single ones where there are no double ones, and each that begins a field ends it.

    Double ones of which none begins a field are inches or seconds.
    """
    if '"' in text and not re.search(r'(?:^|[,;\t| ])"', text, re.MULTILINE):
        return ""
    if '"' in text or "'" not in text:
        return '"'
    fields = re.findall(r"(?:^|[,;\t|])[ ]*('[^,;\t|\n]*)", text, re.MULTILINE)
    return "'" if fields and all(len(one.strip()) > 1 and one.strip().endswith("'") for one in fields) else '"'


def _separator(text: str, quote: str) -> str:
    """The separator by which the rows have the same number of fields, and these none of the others."""
    best: tuple[tuple[float, float, int], str] | None = None
    for separator in SEPARATORS:
        rows = [row for row in _rows(text, separator, quote, "").rows if row]
        widths = Counter(map(len, rows))
        if not widths:
            continue
        width, times = widths.most_common(1)[0]
        if width < 2:
            continue
        others = [other for other in SEPARATORS[1:] if other != separator]
        fields = [field for row in rows for field in row]
        clean = sum(not any(other in field for other in others) for field in fields) / len(fields)
        score = (times / len(rows), clean, width)
        if best is None or score > best[0]:
            best = score, separator
    if best is not None and best[0][0] >= 0.5:
        return best[1]
    words = [line.split() for line in text.split("\n")[:MAX_ROWS] if line.strip()]
    width = _width(words)
    whole = [row for row in words[1:] if len(row) == width]
    numeric = any(all(map(_is_number, column)) for column in zip(*whole, strict=True))  # or they may be sentences
    if numeric and width > 1 and len(words[0]) > 1 and 1 + len(whole) >= 0.95 * len(words):
        return BLANKS
    return best[1] if best is not None else ","


def _rows(text: str, separator: str, quote: str, comment: str) -> _Rows:
    rows: list[list[str]] = []
    ends: list[int] = []
    if separator == BLANKS:
        for number, line in enumerate(text.split("\n")[:MAX_ROWS], start=1):
            if line.strip() and not (comment and line.startswith(comment)):
                rows.append(line.split())
                ends.append(number)
        return _Rows(rows, ends)
    quoting: Any = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote or None, quoting=quoting)
    try:
        for row in reader:
            if row and any(field.strip() for field in row) and not (comment and row[0].startswith(comment)):
                rows.append(row)
                ends.append(reader.line_num)
            if len(rows) >= MAX_ROWS:
                break
    except csv.Error:
        pass
    return _Rows(rows, ends)


def _titles(rows: Sequence[Sequence[str]], given: Given) -> int:
    """The number of rows before the header: too short for it, and followed by one."""
    width, titles = _width(rows[1:] or rows), 0
    while titles < min(MAX_PREAMBLE, len(rows) - 2) and len(rows[titles]) < width:
        short = len(rows[titles])
        if short == width - 1 and not (
            len(rows[titles + 1]) == width
            and is_header(rows[titles + 1], rows[titles + 2 :])
            and given.header is not False
        ):
            break  # a header that has no name for the first column, or rows that end with a separator
        titles += 1
    return titles


def _width(rows: Sequence[Sequence[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def name_columns(
    header: tuple[str, ...] | None, width: int, rows: Sequence[Sequence[str]], notes: list[str], source: str
) -> tuple[str, ...]:
    """Name each field of a row; "" for one that is left out."""
    if header is None:
        counted = tuple(f"column {place + 1}" for place in range(width))
        notes.append(f"no header: the columns are called {listed(counted, 3)}")
        return counted
    names = list(header)
    width = width or len(names)
    if max(width, len(names)) > MAX_COLUMNS:
        raise DataError(f"{source}: has {len(names):,} columns; at most {MAX_COLUMNS:,} can be read from a CSV file")
    if width == len(names) + 1:
        if all(len(row) < width or not row[-1].strip() for row in rows):
            names.append("")
        else:
            names.insert(0, "row name")
            notes.append("the header has no name for the first column: it is called 'row name'")
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


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str | None:
    """The sign between a number and its fraction, if all fractions have the same."""
    fields = [field.strip() for row in rows for field in row]
    commas, points = any(map(_DECIMAL_COMMA.match, fields)), any(map(_DECIMAL_POINT.match, fields))
    if separator == "," or commas == points:
        return None
    return "," if commas else "."


def _is_number(text: str) -> bool:
    return finite_number(text.strip().replace(",", ".", 1)) is not None
