"""Pieces of sentences about names that a file, or the program, does not have."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: the closest known one, or else those that there are."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else f"; there is {listed(known)}"


def listed(names: Sequence[str], at_most: int = 8) -> str:
    """Names for a sentence: the first few, and how many more."""
    if not names:
        return "none"
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
