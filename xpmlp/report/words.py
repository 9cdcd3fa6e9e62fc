"""Numbers in words, for people."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """A number with what it counts: ``1 epoch``, ``5,000 epochs``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def duration(seconds: float) -> str:
    """A time: ``1.4 s``, ``24 s``, ``3 min 50 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
