"""Printing of a comparison of runs on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from xpmlp._text import aligned
from xpmlp.pages.comparing import Comparison
from xpmlp.pages.comparison_page import TESTED, about_intervals, about_tests, scores_table, settings_table, tests_rows


def lines_of(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a comparison."""
    head, rows = settings_table(comparison)
    yield "settings that differ" if rows else "no setting differs"
    if rows:
        yield aligned(head, rows)
    yield f"\nscores of the {comparison.split} part"
    yield aligned(*scores_table(comparison))
    yield about_intervals()
    yield from comparison.notes
    for test, results in tests_rows(comparison):
        yield f"\n{test.measure}, less that of {comparison.runs[0].name}"
        yield aligned(TESTED, results)
    if comparison.tests:
        yield about_tests(comparison)
