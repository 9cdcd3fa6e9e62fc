"""CSV as this program writes it: numbers in full precision, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the start of a formula (https://owasp.org/www-community/attacks/CSV_Injection);
the last four are those of East Asian keyboards, twice as wide."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV.

    Numbers are written as they are, ``None`` as an empty cell.  Text that a spreadsheet would take for a formula gets
    an apostrophe in front, by which spreadsheets mark text.

    Parameters
    ----------
    rows : iterable of rows
        The header among them.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
