"""The page of all finished parts: what was compared, each part, the machine and the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xpmlp.report.comparison import Comparison
from xpmlp.report.document import Block, Code, Inline, Link, Maths, Notice, Page, Paragraph, Section, Table
from xpmlp.report.environment import environment
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import Done, Part
from xpmlp.report.words import duration

TITLE = "The coursework report, recomputed"

COMPARISON, TIMES, ENVIRONMENT = "comparison.csv", "times.csv", "environment.csv"


def make_page(
    parts: Sequence[Part], done: Mapping[str, Done], folder: Path, *, quick: bool, backend: str
) -> tuple[Page, list[Comparison]]:
    """Draw the figures of all finished parts, write the files that concern all, and set the page.

    Parameters
    ----------
    parts : sequence of Part
        All, in the order of the page.
    done : dict of Done
        Those that are finished.
    folder : Path
    quick : bool
    backend : str
        What computed, for people.

    Returns
    -------
    page : Page
    comparisons : list of Comparison
    """
    sections, comparisons = [], []
    for part in parts:
        if part.name in done:
            shown = part.show(done[part.name], quick)
            sections.append(Section(part.name, part.title, shown.blocks, _facts(part, done[part.name])))
            comparisons += shown.comparisons
    sections.append(_machine(parts, done, folder, backend, quick))
    write_csv(
        folder / COMPARISON,
        ("item", "figure", "coursework", "this_run", "verdict"),
        [(*comparison[:4], comparison.verdict.text) for comparison in comparisons],
    )
    missing = [part.title for part in parts if part.name not in done]
    return Page(TITLE, _lead(comparisons, missing, quick), sections, folder), comparisons


def _lead(comparisons: Sequence[Comparison], missing: Sequence[str], quick: bool) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            "A multilayer perceptron for MNIST, from derivatives by hand to a tested network: every table and figure "
            "of the coursework report, computed anew, with the coursework's figures beside this run's. Each number "
            "can be traced to the CSV file that is named below it."
        )
    ]
    if quick:
        blocks.append(
            Notice(
                "This is the small version (--quick), trained for moments on scikit-learn's 8 × 8 digits instead of "
                "MNIST, and on 1,000 of the synthetic points: its figures cannot be compared with the coursework's."
            )
        )
    if missing:
        blocks.append(Notice(f"Not computed yet: {', '.join(missing)}."))
    if comparisons:
        blocks.append(Paragraph(_count(comparisons)))
        blocks.append(
            Table(
                ("item", "figure", "coursework", "this run", "verdict"),
                [_row(comparison) for comparison in comparisons],
                "All figures that the coursework prints, beside this run's. A loss should be no higher, an accuracy "
                "no lower; means are compared, their spread is in the sections below.",
                [COMPARISON],
            )
        )
    return blocks


def _row(comparison: Comparison) -> tuple[Inline, ...]:
    if "_" in comparison.figure:
        formulas = (Maths(text) for text in comparison[1:4])
        return (comparison.item, *formulas, comparison.verdict)
    return (*comparison[:4], comparison.verdict)


def _count(comparisons: Sequence[Comparison]) -> str:
    judged = [comparison for comparison in comparisons if comparison.verdict.holds is not None]
    good = sum(comparison.verdict.holds is True for comparison in judged)
    if not judged:
        return "None of the figures can be compared."
    return f"{good} of {len(judged)} figures are as the coursework's or better."


def _facts(part: Part, done: Done) -> list[Inline]:
    facts: list[Inline] = [f"Took {duration(done.seconds)}, finished {done.finished}."]
    if part.config is not None:
        facts += [" By itself: ", Code(f"xpmlp train configs/report/{part.config}.toml")]
    return facts


def _machine(parts: Sequence[Part], done: Mapping[str, Done], folder: Path, backend: str, quick: bool) -> Section:
    """What it was computed with, and how long each part took."""
    machine = {**environment(), "backend": backend}
    write_csv(folder / ENVIRONMENT, ("what", "value"), list(machine.items()))
    timed = [(part, done[part.name]) for part in parts if part.name in done]
    write_csv(
        folder / TIMES,
        ("part", "seconds", "finished"),
        [(part.name, one.seconds, one.finished) for part, one in timed],
    )
    rows = [(part.title, duration(one.seconds), one.finished) for part, one in timed]
    beside = [part.title.partition(":")[0] for part, _ in timed if part.beside and not quick]
    note = f" {', '.join(beside)} is computed beside other parts, on a core of its own." if beside else ""
    return Section(
        "machine",
        "Machine, versions and times",
        [
            Table(("what", "value"), list(machine.items()), "What all parts were computed with.", [ENVIRONMENT]),
            Table(
                ("part", "time", "finished"),
                rows,
                f"How long each part took.{note}",
                [TIMES],
                numeric=frozenset({1}),
            ),
            Paragraph("The same page as text: ", Link("report.md", "report.md"), "."),
        ],
    )
