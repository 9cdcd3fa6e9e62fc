"""The page of all finished parts: the comparisons, each part, the machine and the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xpmlp._text import duration
from xpmlp.report.comparison import Comparison
from xpmlp.report.document import Code, Inline, Link, Maths, Page, Paragraph, Section
from xpmlp.report.environment import environment
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import FinishedPart, ReportPart
from xpmlp.report.text import blocks

TITLE = "The coursework report, recomputed"


def make_page(
    parts: Sequence[ReportPart], done: Mapping[str, FinishedPart], folder: Path, *, quick: bool, backend: str
) -> tuple[Page, list[Comparison]]:
    """Draw the figures of all finished parts, write the common files, and set the page.

    Parameters
    ----------
    parts : sequence of ReportPart
        All parts, in the order of the page.
    done : dict of FinishedPart
        The finished parts.
    folder : Path
    quick : bool
    backend : str
        Description of the backend.

    Returns
    -------
    page : Page
    comparisons : list of Comparison
    """
    sections, comparisons, finished = [], [], [(part, done[part.name]) for part in parts if part.name in done]
    for part, one in finished:
        shown = part.show(one, quick)
        sections.append(Section(part.name, part.title, shown.blocks, _facts(part, one)))
        comparisons += shown.comparisons
    write_csv(
        folder / "comparison.csv",
        ("item", "figure", "coursework", "this_run", "verdict"),
        [(*comparison[:4], comparison.verdict.text) for comparison in comparisons],
    )
    missing = ", ".join(part.title for part in parts if part.name not in done)
    values = {"quick": quick, "missing": missing, "count": _count(comparisons)}
    lead = blocks("page", values, {"comparisons": list(map(_row, comparisons))}, {}, folder)
    return Page(TITLE, lead, [*sections, _machine(finished, folder, backend, quick)], folder), comparisons


def judged_well(comparisons: Sequence[Comparison]) -> tuple[int, int]:
    """Return the number of comparisons that hold, and the number of those judged."""
    verdicts = [comparison.verdict.holds for comparison in comparisons if comparison.verdict.holds is not None]
    return sum(verdicts), len(verdicts)


def _row(comparison: Comparison) -> tuple[Inline, ...]:
    item, *texts, verdict = comparison
    return (item, *(map(Maths, texts) if "_" in comparison.figure else texts), verdict)


def _count(comparisons: Sequence[Comparison]) -> str:
    good, judged = judged_well(comparisons)
    if not judged:
        return "None of the figures can be compared." if comparisons else ""
    return f"{good} of {judged} figures are as the coursework's or better."


def _facts(part: ReportPart, done: FinishedPart) -> list[Inline]:
    command: list[Inline] = (
        [" By itself: ", Code(f"xpmlp train configs/report/{part.config}.toml")] if part.config else []
    )
    return [f"Took {duration(done.seconds)}, finished {done.finished}.", *command]


def _machine(finished: Sequence[tuple[ReportPart, FinishedPart]], folder: Path, backend: str, quick: bool) -> Section:
    """Make the section on the machine and versions, and on the time of each part."""
    machine: list[tuple[str, str]] = list({**environment(), "backend": backend}.items())
    write_csv(folder / "environment.csv", ("what", "value"), machine)
    times = [(part.name, one.seconds, one.finished) for part, one in finished]
    write_csv(folder / "times.csv", ("part", "seconds", "finished"), times)
    rows = [(part.title, duration(one.seconds), one.finished) for part, one in finished]
    beside = ", ".join(part.title.partition(":")[0] for part, _ in finished if part.beside and not quick)
    note = f" {beside} is computed beside other parts, on a core of its own." if beside else ""
    tables = blocks("machine", {"note": note}, {"machine": machine, "times": rows}, {}, folder)
    as_text = Paragraph("The same page as text: ", Link("report.md", "report.md"), ".")
    return Section("machine", "Machine, versions and times", [*tables, as_text])
