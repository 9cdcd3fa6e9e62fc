"""Detection of a CSV file's dialect from its beginning: encoding, separator, quotes, decimals, header, comments."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from xpmlp.data.messages import quoted
from xpmlp.data.table_options import Given
from xpmlp.data.tables.cells import CURRENCIES
from xpmlp.data.tables.header import MAX_PREAMBLE, find_header, is_number, name_columns, width_of_most
from xpmlp.errors import DataError

SEPARATORS = (",", ";", "\t", "|")

MAX_ROWS = 300
"""Maximum number of rows of the beginning to examine."""

BLANKS = "blanks"
"""The separator of columns divided by any number of blanks."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_ANOTHER = "with --encoding, after training with --set data.encoding=NAME"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks", " ": "blanks"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SIGN, _END = rf"^[-+(]?[{CURRENCIES}]?\s?", rf"[0-9]+\s?[%{CURRENCIES}]?\)?$"
_DECIMAL_COMMA = re.compile(rf"{_SIGN}(?:[0-9]+|[0-9]{{1,3}}(?:\.[0-9]{{3}})+),{_END}")
_DECIMAL_POINT = re.compile(rf"{_SIGN}(?:[0-9]*|[0-9]{{1,3}}(?:,[0-9]{{3}})+)\.{_END}")


class Dialect(NamedTuple):
    """The dialect of a CSV file.

    Attributes
    ----------
    encoding : str
    carriage_returns : bool
        Whether most lines end with carriage returns alone: each is then a line feed, and otherwise a blank in a name.
    separator, quote, comment : str
    padded : bool
        Whether blanks may stand before a quote that opens a field.
    decimal : str, optional
        "." or ",", where it can be determined.
    skipped : int
        Lines before the first row, the header included.
    header : tuple of str, or None
        The names in the file, unchanged.
    names : tuple of str
        A name for each field of a row; "" for fields to leave out.
    notes : tuple of str
        Findings that a user might not expect.
    """

    encoding: str
    carriage_returns: bool
    separator: str
    quote: str
    comment: str
    padded: bool
    decimal: str | None
    skipped: int
    header: tuple[str, ...] | None
    names: tuple[str, ...]
    notes: tuple[str, ...]


class _Rows(NamedTuple):
    """Rows of the beginning, and for each the number of lines up to its end."""

    rows: list[list[str]]
    ends: list[int]


def find_dialect(
    start: bytes, *, whole: bool, given: Given, source: str, encoding: str | None = None, kinds: Mapping[str, str] = {}
) -> Dialect:
    """Detect the dialect of a CSV file.

    Parameters
    ----------
    start : bytes
        The beginning of the file.
    whole : bool
        Whether that is the whole file.
    given : Given
        The settings given by the user.
    source : str
        The file's name in messages.
    encoding : str, optional
        The encoding if neither the user gives nor the file shows another, by a mark or letters in UTF-8.
    kinds : mapping
        The kinds of training's columns by name, for new rows.

    Raises
    ------
    DataError
        If the file is empty, not text, or has no usable header.
    """
    notes: list[str] = []
    encoding = given.encoding or _encoding(start, whole, notes, encoding)
    text = _decoded(start, encoding, whole, source)
    text = re.sub(r"(?<!\r)\r*\n", "\n", text)
    carriage_returns = text.count("\r") > text.rstrip().count("\n")
    text = text.replace("\r", "\n" if carriage_returns else " ")
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
    unstripped = _rows(rest, separator, quote, comment, skipinitialspace=False).rows if quote else []
    padded = any(field.lstrip(" ")[:1] == quote != field[:1] for row in unstripped for field in row)
    if not found.rows:
        raise DataError(f"{source}: is empty; a header and rows are needed")
    titles, in_header, told = find_header(found.rows, given, notes, kinds)
    rows, before = found.rows[titles:], titles + in_header
    data = rows[in_header:]
    width = width_of_most(data)
    header = None if told is None else tuple(name.strip().lstrip("#").strip() for name in told)
    if _CONTROL.search("".join(rows[0])):
        name = next(name for name in rows[0] if _CONTROL.search(name))
        raise DataError(f"{source}: has control characters in its first line, {quoted(name[:40])}; is it text?")
    names = name_columns(header, width, data, notes, source, kinds)
    if separator != ",":
        notes.append(f"fields separated by {_NAMES.get(separator, quoted(separator))}")
    if quote == "'":
        notes.append("single quotes around fields")
    decimal = given.decimal or _decimal(data, separator)
    if decimal == ",":
        notes.append("decimal commas")
    skip = skipped + (found.ends[before - 1] if before else 0)
    return Dialect(
        encoding, carriage_returns, separator, quote, comment, padded, decimal, skip, header, names, tuple(notes)
    )


def _encoding(start: bytes, whole: bool, notes: list[str], default: str | None) -> str:
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
            if default is None:
                notes.append(not_utf8(start, error, before=0))
            return default or "cp1252"
    is_open = default and start.isascii() and not default.lower().startswith("utf")  # other letters may follow
    return default if default and is_open else "utf-8"


def not_utf8(text: bytes, error: UnicodeDecodeError, before: int) -> str:
    """Name the first line that is not UTF-8 in a part of a file, preceded by a number of lines."""
    line = before + len((text[: error.start] + b".").splitlines())
    if text.decode("utf-8", "ignore").isascii():
        return f"not UTF-8, by line {line:,}: read as Windows-1252; name another {_ANOTHER}"
    return (
        f"line {line:,} is not UTF-8, but others are: letters of these are read wrongly, as Windows-1252; correct that "
        f"line, or name the encoding {_ANOTHER}"
    )


def _decoded(start: bytes, encoding: str, whole: bool, source: str) -> str:
    try:
        text = start.decode(encoding, "strict" if whole else "ignore")
    except LookupError:
        raise DataError(f"{source}: there is no encoding {quoted(encoding)}; try utf-8, cp1252 or latin-1") from None
    except UnicodeDecodeError:
        if encoding != "cp1252":
            raise DataError(f"{source}: is not encoded as {encoding}; name another {_ANOTHER}") from None
        text = start.decode("latin-1")
    if "\0" in text:
        raise DataError(f"{source}: has bytes of value 0; is it text?")
    return text.removeprefix("\ufeff")


def _preamble(lines: Sequence[str], given: Given, notes: list[str]) -> tuple[int, str, str]:
    """Count the blank lines, comments and Excel's hint before the header; also return separator and comment mark."""
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
    """Whether a line that begins with '#' is a header: it has as many fields as the line below it."""
    return not below.startswith("#") and any(
        line.count(separator) == below.count(separator) > 0 for separator in SEPARATORS
    )


def _quote(text: str) -> str:
    """Detect the quotes around fields: single ones if there are no double ones and each that opens a field closes it.

    Double quotes that never open a field are inches or seconds.
    """
    if '"' in text and not re.search(r'(?:^|[,;\t| ])"', text, re.MULTILINE):
        return ""
    if '"' in text or "'" not in text:
        return '"'
    fields = re.findall(r"(?:^|[,;\t|])[ ]*('[^,;\t|\n]*)", text, re.MULTILINE)
    return "'" if fields and all(len(one.strip()) > 1 and one.strip().endswith("'") for one in fields) else '"'


def _separator(text: str, quote: str) -> str:
    """Detect the separator: the one that splits most rows into equally many fields, free of the other separators."""
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
    width = width_of_most(words)
    whole = [row for row in words[1:] if len(row) == width]
    numeric = any(all(map(is_number, column)) for column in zip(*whole, strict=True))  # or they may be sentences
    if numeric and width > 1 and len(words[0]) > 1 and 1 + len(whole) >= 0.95 * len(words):
        return BLANKS
    return best[1] if best is not None else ","


def _rows(text: str, separator: str, quote: str, comment: str, *, skipinitialspace: bool = True) -> _Rows:
    rows: list[list[str]] = []
    ends: list[int] = []
    if separator == BLANKS:
        for number, line in enumerate(text.split("\n")[:MAX_ROWS], start=1):
            if line.strip() and not (comment and line.startswith(comment)):
                rows.append(line.split())
                ends.append(number)
        return _Rows(rows, ends)
    quoting: Any = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quotechar=quote or None,
        quoting=quoting,
        skipinitialspace=skipinitialspace,
    )
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


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str | None:
    """Detect the decimal sign, if all fractions have the same."""
    fields = [field.strip() for row in rows for field in row]
    commas, points = any(map(_DECIMAL_COMMA.match, fields)), any(map(_DECIMAL_POINT.match, fields))
    if separator == "," or commas == points:
        return None
    return "," if commas else "."
