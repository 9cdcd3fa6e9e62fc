"""The coursework's figures beside this program's, with verdicts that are computed."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp.report.document import Verdict


class Comparison(NamedTuple):
    """One figure of the coursework beside this program's.

    Attributes
    ----------
    item : str
        Where it stands: ``Table 4``.
    figure : str
        What it is.
    coursework, here : str
        As they are printed.
    verdict : Verdict
    """

    item: str
    figure: str
    coursework: str
    here: str
    verdict: Verdict


NOT_COMPARABLE = Verdict("not comparable", None)
"""The verdict on a figure of the small version."""


def judged(verdict: Verdict, quick: bool) -> Verdict:
    """A verdict on a figure, which the small version has not."""
    return NOT_COMPARABLE if quick else verdict


def at_most(value: float, printed: float) -> Verdict:
    """Whether a loss is as low as the printed one."""
    return Verdict("lower" if value < printed else "equal", True) if value <= printed else Verdict("higher", False)


def at_least(value: float, printed: float) -> Verdict:
    """Whether an accuracy is as high as the printed one."""
    return Verdict("higher" if value > printed else "equal", True) if value >= printed else Verdict("lower", False)


def within(value: float, tolerance: float) -> Verdict:
    """Whether a difference is no larger than it may be."""
    return Verdict("holds", True) if value <= tolerance else Verdict("fails", False)


def same(holds: bool) -> Verdict:
    """Judge whether the printed result has come out again."""
    return Verdict("the same", True) if holds else Verdict("different", False)


def spread(mean: float | None, deviation: float | None) -> str:
    """A figure over several runs, as ``0.1398 ± 0.0067``; a dash if there is none."""
    if mean is None:
        return "—"
    return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
