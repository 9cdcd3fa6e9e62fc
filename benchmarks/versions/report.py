"""Cells, each a case on a backend, and their page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.measure import Spread
from benchmarks.versions.comparison import Comparison

MOST_TIME, MOST_IN_ALL = 1.05, 1.01
"""Upper bounds on a cell's ratio of times, and on the geometric mean of all ratios."""


@dataclass
class Cell:
    """A case on a backend, trained by both versions.

    Attributes
    ----------
    case, backend : str
    bitwise : bool
        Whether the bits must be the same, or only the numbers within the tolerances.
    comparisons : dict of Comparison
        The comparisons by dtype; the last one is judged.
    old, new : list of float
        Seconds per step, one number for each round.
    problem : str or None
        Why one of the versions could not train it.
    """

    case: str
    backend: str
    bitwise: bool
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    old: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the numbers agree as required."""
        if self.problem is not None or not self.comparisons:
            return False
        judged = list(self.comparisons.values())[-1]
        return judged.same_bits or (not self.bitwise and judged.excess <= 1)

    @property
    def ratios(self) -> Spread | None:
        """The ratios of the new version's time to the old one's within each round; ``None`` if not measured."""
        return Spread.of([new / old for old, new in zip(self.old, self.new, strict=True)]) if self.old else None


def geometric_mean(cells: Sequence[Cell]) -> float | None:
    """Return the geometric mean of the cells' ratios, of those that have one."""
    medians = [cell.ratios.median for cell in cells if cell.ratios is not None]
    return float(np.exp(np.mean(np.log(medians)))) if medians else None


def page(title: str, facts: Mapping[str, str], old: str, new: str, how: str, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield the lines of the page, in Markdown."""
    yield f"# {title}"
    yield ""
    yield f"Written by `python -m benchmarks.versions`. Old: {old}. New: {new}. {how}"
    yield ""
    yield ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + "."
    yield ""
    yield from summary(cells)
    yield ""
    yield (
        "Differences are the largest relative ones, `allowed` the largest part of verify's tolerance that one takes "
        "up. Time is the new version's by the old one's within a round: median and quartiles."
    )
    yield ""
    yield "| backend | case | dtype | bits | losses | weights | allowed | numbers | old, µs a step | new | time |"
    yield "|---|---|---|---|---:|---:|---:|---|---:|---:|---:|"
    for cell in cells:
        yield from _rows(cell)


def summary(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield sentences on all cells, as a list."""
    wrong = [cell for cell in cells if not cell.holds]
    same = sum(not cell.problem and all(one.same_bits for one in cell.comparisons.values()) for cell in cells)
    yield f"- Bits are the same in {same} of {len(cells)} cells."
    yield f"- Numbers are {f'**not** as they must be: {_named(wrong)}' if wrong else 'as they must be in all'}."
    mean = geometric_mean(cells)
    if mean is None:
        return
    by_backend = {backend: [cell for cell in cells if cell.backend == backend] for backend in _backends(cells)}
    means = {backend: geometric_mean(some) for backend, some in by_backend.items()}
    each = ", ".join(f"{backend} {value:.3f}" for backend, value in means.items() if value is not None)
    yield f"- Time, geometric mean of the medians: {mean:.3f} (at most {MOST_IN_ALL} is wanted): {each}."
    slow = [cell for cell in cells if cell.ratios is not None and cell.ratios.median > MOST_TIME]
    yield f"- Over {MOST_TIME}: {_named(slow) or 'none'}." + (" Two runs have to agree on a cell." if slow else "")


def as_json(cell: Cell) -> dict[str, Any]:
    """Return all figures of a cell."""
    comparisons = {dtype: one._asdict() for dtype, one in cell.comparisons.items()}
    ratio = None if cell.ratios is None else cell.ratios._asdict()
    return {**vars(cell), "comparisons": comparisons, "holds": cell.holds, "ratio": ratio}


def _rows(cell: Cell) -> Iterator[str]:
    start = f"| {cell.backend} | {cell.case} |"
    if cell.problem is not None:
        yield f"{start} | | | | | **no**: {cell.problem} | | | |"
    for dtype, one in cell.comparisons.items():
        judged = one is list(cell.comparisons.values())[-1]
        bits = "same" if one.same_bits else "other" if one.first is None else f"other from step {one.first}"
        verdict = ("yes" if cell.holds else "**no**") if judged else "not judged"
        figures = f"{one.losses:.0e} | {one.weights:.0e} | {one.excess:.2f}"
        yield f"{start} {dtype} | {bits} | {figures} | {verdict} |{_times(cell, dtype)}|"


def _times(cell: Cell, dtype: str) -> str:
    """Format three cells of the table: those of float32, which is timed."""
    if cell.ratios is None or dtype != "float32":
        return " | | "
    median, low, high = cell.ratios
    ratio = f"{median:.3f} ({low:.3f} to {high:.3f})"
    return f" {1e6 * np.median(cell.old):,.1f} | {1e6 * np.median(cell.new):,.1f} | {ratio} "


def _backends(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.backend for cell in cells))


def _named(cells: Sequence[Cell]) -> str:
    return ", ".join(f"{cell.case} on {cell.backend}" for cell in cells)
