"""The page of a comparison of runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xpmlp._files import check_output_file, write_text
from xpmlp._paths import os_errors_as
from xpmlp._text import counted
from xpmlp.errors import RunFolderError
from xpmlp.nn import metric_names
from xpmlp.pages.charts import MOST_SERIES, Series, chart
from xpmlp.pages.comparing import CELLS, Comparison, Judged, Test
from xpmlp.pages.markup import Markup, document, element, figure, paragraph, section, table
from xpmlp.pages.measures import RESAMPLES, figure_text
from xpmlp.pages.paired import FLIPS
from xpmlp.plots.saved import Epochs, read_epochs


def check_output(out: Path, comparison_of: list[Path]) -> None:
    """Check, before any work, that the file can be written and would not replace a file of a run.

    Raises
    ------
    XpmlpError
        If it would replace one.
    RunFolderError
        If it cannot be written.
    """
    read = [path for folder in comparison_of for path in folder.glob("*") if path.is_file()]
    check_output_file(out, read, RunFolderError)


def write_comparison(comparison: Comparison, out: Path) -> None:
    """Write a comparison as one self-contained HTML file.

    Raises
    ------
    RunFolderError
        If the file cannot be written.
    """
    title = f"{counted(len(comparison.runs), 'run')} compared"
    parts = [element("header", element("h1", title)), element("main", *_sections(comparison))]
    with os_errors_as(RunFolderError, f"the output {out} cannot be written"):
        write_text(out, document(title, parts, scripts=()))


def _sections(comparison: Comparison) -> Iterator[Markup]:
    names = [one.name for one in comparison.runs]
    head, rows = settings_table(comparison)
    differing = table("Settings that differ", head, rows, texts=len(head)) if rows else paragraph("In no setting.")
    yield section("differing", "In what they differ", differing)
    yield section(
        "scores",
        "How good they are",
        paragraph(f"By the {comparison.split} part. {about_intervals()}"),
        table("Scores", *scores_table(comparison)),
        *(paragraph(note, class_="note") for note in comparison.notes),
    )
    if comparison.tests:
        tested = [
            table(f"{one.measure}, less that of {names[0]}", TESTED, rows) for one, rows in tests_rows(comparison)
        ]
        yield section("tests", "Is it chance?", paragraph(about_tests(comparison)), *tested)
    yield from _curves(comparison.runs)


def settings_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of differing settings: a column per run, or a row if there are more runs than settings."""
    names, found = [one.name for one in comparison.runs], comparison.differing
    if len(names) <= len(found):
        return ["setting", *names], [[key, *values] for key, values in found]
    columns = [values for _, values in found]
    return ["run", *(key for key, _ in found)], [list(row) for row in zip(names, *columns, strict=True)] * bool(found)


def scores_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the scores."""
    figures = list(dict.fromkeys(one.name for run in comparison.runs for one in run.measures))
    rows = []
    for run in comparison.runs:
        told = {
            one.name: "{} ({} to {})".format(*map(figure_text, interval))
            for one, interval in zip(run.measures, run.intervals, strict=True)
        }
        rows.append([*run.cells, *(told.get(one, "-") for one in figures)])
    return [*CELLS, *figures], rows


TESTED = ("run", "difference", "95% interval", "p", "verdict")


def tests_rows(comparison: Comparison) -> Iterator[tuple[Test, list[list[str]]]]:
    """Yield each test with its rows."""
    for test in comparison.tests:
        yield (
            test,
            [
                [name, middle, f"{low} to {high}", f"{one.p:.4f}", one.verdict]
                for name, one in test.results
                for middle, low, high in [[figure_text(part, "+") for part in one[:3]]]
            ],
        )


def about_intervals() -> str:
    """Return an explanation of the intervals."""
    return f"The intervals hold 95% of {RESAMPLES} figures of as many examples, drawn with repetition."


def about_tests(comparison: Comparison) -> str:
    """Return an explanation of the tests."""
    return (
        f"On the same {counted(comparison.examples, 'example')}, pair by pair, taken as independent of one another: "
        f"p is how often the means are as far apart where {FLIPS:,} times the sign of each difference is drawn, "
        "adjusted for the number of runs (Holm)."
    )


def _curves(runs: list[Judged]) -> Iterator[Markup]:
    """Draw the runs' losses and figures by epoch in common charts."""
    found: list[tuple[str, Epochs]] = []
    for one in runs:
        with contextlib.suppress(RunFolderError):
            epochs = read_epochs(one.folder)
            if len(epochs.train_loss) and one.facts.get("loss") == runs[0].facts.get("loss"):
                found.append((one.name, epochs))
    if not found:
        return
    metric = found[0][1].metric
    part = "validation" if all(np.isfinite(epochs.validation_loss).any() for _, epochs in found) else "train"
    drawn = []
    for what, title in (("loss", "loss"), ("value", metric_names[metric])):
        lines = [
            Series(name, np.arange(1.0, len(epochs.train_loss) + 1), getattr(epochs, f"{part}_{what}")[:, 0])
            for name, epochs in found[:MOST_SERIES]
        ]
        shown = f"{'training' if part == 'train' else part} {title} by epoch"
        drawn.append(figure(f"The {shown}.", chart(shown, "epoch", title, lines)))
    left = [name for name, _ in found[MOST_SERIES:]]
    more = paragraph(f"Not drawn: {', '.join(left)}.") if left else ""
    yield section("curves", "How the trainings went", element("div", *drawn, class_="figures"), more)
