"""Comparisons of the coursework's figures with this program's, with computed verdicts."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp.report.document import Verdict


class Comparison(NamedTuple):
    """Comparison of a figure of the coursework with this program's.

    Attributes
    ----------
    item : str
        Its table or figure: ``Table 4``.
    figure : str
        Description of the figure.
    coursework, here : str
        The figures as text.
    verdict : Verdict
    """

    item: str
    figure: str
    coursework: str
    here: str
    verdict: Verdict


NOT_COMPARABLE = Verdict("not comparable", None)
"""Verdict on a figure of the small version, or without a printed counterpart."""


def judged(verdict: Verdict, quick: bool) -> Verdict:
    """Return the verdict on a figure, or `NOT_COMPARABLE` in the small version."""
    return NOT_COMPARABLE if quick else verdict


def at_most(value: float, printed: float) -> Verdict:
    """Judge whether a loss is as low as the printed one."""
    return Verdict("lower" if value < printed else "equal", True) if value <= printed else Verdict("higher", False)


def at_least(value: float, printed: float) -> Verdict:
    """Judge whether an accuracy is as high as the printed one."""
    return Verdict("higher" if value > printed else "equal", True) if value >= printed else Verdict("lower", False)


def within(value: float, tolerance: float) -> Verdict:
    """Judge whether a difference is within its tolerance."""
    return Verdict("holds", True) if value <= tolerance else Verdict("fails", False)


def same(holds: bool) -> Verdict:
    """Judge whether the printed result was reproduced."""
    return Verdict("the same", True) if holds else Verdict("different", False)


def spread(mean: float | None, deviation: float | None) -> str:
    """Format a figure over several runs as ``0.1398 ± 0.0067``, or as a dash if there is none."""
    if mean is None:
        return "—"
    return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
