"""Pieces of sentences about names that a file, or the program, does not have."""

from __future__ import annotations

from collections.abc import Sequence

from xpmlp._text import closest

MAX_LENGTH = 60
"""Of a name or a value that a message quotes."""


def quoted(text: str) -> str:
    """A name or a value as a sentence quotes it: its start, control characters as escapes."""
    return repr(text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 3] + "...")


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: the closest known one, or else those that there are."""
    close = closest(given, [name for name in known if len(name) <= MAX_LENGTH])
    return f"; did you mean {close!r}?" if close else f"; there is {listed(known)}"


def listed(names: Sequence[str], at_most: int = 8) -> str:
    """Names for a sentence: the first few, and how many more."""
    if not names:
        return "none"
    shown = ", ".join(map(quoted, names[:at_most]))
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
