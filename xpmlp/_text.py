"""Text for users: safe for terminals, numbers with units, aligned columns, and suggestions for mistyped names."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence

MAX_COMPARED, MAX_LENGTH = 1_000, 100
"""Maximum number of names compared with a mistyped one, and of characters of each."""


def printable(text: str) -> str:
    """Escape characters that would garble a terminal or send it commands; line ends stay.

    The escapes are those of JSON and TOML, so that an escaped config is still valid.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )


def one_line(text: str) -> str:
    """Escape the characters that `printable` escapes, and line ends."""
    return printable(text).replace("\n", "\\n")


def closest(word: str, names: Iterable[str]) -> str | None:
    """Return the name most likely meant by a mistyped word, ignoring case and hyphens; ``None`` if none is close."""
    plain = {_plain(name): name for name in list(names)[:MAX_COMPARED]}
    close = difflib.get_close_matches(_plain(word), plain, n=1)
    return plain[close[0]] if close else None


def _plain(word: str) -> str:
    return word[:MAX_LENGTH].casefold().replace("-", "_").replace(" ", "_")


def counted(number: int, thing: str) -> str:
    """Format a count with its noun: ``1 epoch``, ``5,000 epochs``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def duration(seconds: float) -> str:
    """Format a duration: ``1.4 s``, ``24 s``, ``3 min 50 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def byte_size(size: float) -> str:
    """Format a size in bytes: ``24.0 kB``, ``1.5 MB``, ``2.0 GB``."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.1f} kB"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table as text; the last column, which may be long, is left to the terminal to wrap.

    Parameters
    ----------
    header : (columns)
    rows : (rows, columns)

    Returns
    -------
    text : str
        A line for the header and one for each row, without trailing spaces or a final line end; control characters
        are escaped.
    """
    lines = [tuple(map(one_line, line)) for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
