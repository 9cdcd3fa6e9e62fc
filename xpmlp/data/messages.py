"""Parts of messages: names, lists of names, shares."""

from __future__ import annotations

from collections.abc import Sequence

from xpmlp._text import closest

MAX_LENGTH = 60
"""Longest name or value quoted in a message."""


def quoted(text: str) -> str:
    """Quote a name or value for a message: shortened, with control characters escaped."""
    return repr(text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 3] + "...")


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """Return the end of a sentence about an unknown name: the closest known name, or else all known names."""
    close = closest(given, [name for name in known if len(name) <= MAX_LENGTH])
    return f"; did you mean {close!r}?" if close else f"; there is {listed(known)}"


def listed(names: Sequence[str], at_most: int = 8) -> str:
    """List names for a sentence: the first few, and the number of the others."""
    if not names:
        return "none"
    shown = ", ".join(map(quoted, names[:at_most]))
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"


def percent(share: float) -> str:
    """Write a share in percent: in whole ones, or with as many decimals as tell it from 0% and from 100%.

    Examples
    --------
    >>> percent(0.25), percent(0.9983), percent(0.00004), percent(1.0)
    ('25%', '99.8%', '0.004%', '100%')
    """
    told = (f"{share:.{decimals}%}" for decimals in range(9))
    return next((text for text in told if 0 < float(text[:-1]) < 100), f"{share:.0%}")
