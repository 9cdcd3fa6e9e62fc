"""CSV as this program writes it: numbers in full precision, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20].*\w", re.DOTALL)
"""Text that a spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection): one of these
characters, the last four those of East Asian keyboards, twice as wide, and something to compute with, which signs alone
are not."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Number, which may begin with a sign, too, and is harmless."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV.

    Numbers, also those in text, are written as they are, ``None`` as an empty cell.  Text that a spreadsheet would take
    for a formula gets an apostrophe in front, by which spreadsheets mark text; ``+`` and ``-`` alone are none.

    Parameters
    ----------
    rows : iterable of rows
        The header among them.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
