"""Writing of CSV: numbers in full precision, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20].*\w", re.DOTALL)
"""Text that a spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection): one of these
characters, the last four the full-width ones of East Asian keyboards, and then some operand, not signs alone."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""A number, harmless even with a leading sign."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Convert rows to CSV.

    Numbers, also those in text, are written unchanged, ``None`` as an empty cell.  Text that a spreadsheet would take
    for a formula gets a leading apostrophe, the spreadsheets' mark of text; ``+`` and ``-`` alone are not formulas.

    Parameters
    ----------
    rows : iterable of rows
        Including the header.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
