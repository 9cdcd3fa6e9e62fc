"""Plain text in aligned columns, for people and for pipes."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table as text; the last column, which may be long, is left to the terminal to wrap.

    Parameters
    ----------
    header : (columns)
    rows : (rows, columns)

    Returns
    -------
    text : str
        A line for the header and one for each row, without trailing spaces or a final line end.
    """
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
