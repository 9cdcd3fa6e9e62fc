"""``xpmlp report``: the report that a person watches being computed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from xpmlp._text import printable
from xpmlp.cli.interrupt import stop_on_signals
from xpmlp.cli.streams import can_redraw, console_on
from xpmlp.grid import Block
from xpmlp.nn import Metric
from xpmlp.report import Done, Interrupted, Part, Report, ReportReporter, write_report
from xpmlp.training import Progress
from xpmlp.training.record import Outcome


def run(folder: Path, *, only: str | None, quick: bool, backend: str | None, allow_code: bool, quiet: bool) -> int:
    """Write the report, show how it goes, and say what it has shown.

    Returns
    -------
    exit_status : int
        0, or 130 or 143 if Ctrl-C or SIGTERM has interrupted it.
    """
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    started = time.perf_counter()
    with stop_on_signals(quiet) as stop, _reporter_for(sys.stdout, quiet=quiet) as reporter:
        try:
            report = write_report(
                folder,
                only=names,
                quick=quick,
                backend=backend,
                allow_code=allow_code,
                reporter=reporter,
                should_stop=lambda: stop.requested,
            )
        except Interrupted:
            if not quiet:
                print(f"interrupted; the finished parts are kept in {folder}, and the same command goes on from there")
            return stop.exit_status
    if not quiet:
        for line in summary(report, time.perf_counter() - started):
            print(printable(line))
    return 0


def summary(report: Report, seconds: float) -> Iterator[str]:
    """The last lines: the verdicts, and where the page is."""
    judged = [comparison for comparison in report.comparisons if comparison.verdict.holds is not None]
    for comparison in judged:
        if not comparison.verdict.holds:
            yield (
                f"{comparison.item}, {comparison.figure}: {comparison.here}, coursework {comparison.coursework}: "
                f"{comparison.verdict.text}"
            )
    if judged:
        good = sum(comparison.verdict.holds is True for comparison in judged)
        yield f"{good} of {len(judged)} figures are as the coursework's or better"
    yield f"report: {report.page} ({seconds:.0f} s)"


@contextmanager
def _reporter_for(stream: IO[str], *, quiet: bool) -> Iterator[ReportReporter]:
    if quiet:
        yield ReportReporter()
        return
    shown = _Shown(console_on(stream), bar=can_redraw(stream))
    try:
        yield shown
    finally:
        shown.end()


class _Shown(ReportReporter):
    """A line for each part and, on a terminal, a bar while one trains."""

    quiet = False

    def __init__(self, console: Console, *, bar: bool) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not bar,
        )
        self.part = ""
        self.task: TaskID | None = None
        self.runs = 0

    def part_kept(self, part: Part, done: Done) -> None:
        self._line(f"{part.title}: finished {done.finished}, kept")

    def part_begins(self, part: Part, beside: bool) -> None:
        self.part = part.name
        self._line(f"{part.title} ..." + (" (beside the following ones)" if beside else ""))

    def part_ends(self, part: Part, done: Done) -> None:
        self._line(f"{part.title}: done in {done.seconds:.1f} s")

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        self.runs = runs
        self._line(f"  {runs} runs" + ("" if workers is None else f", {workers} at a time"))
        self._start(examples)

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        if not self.runs:
            self._start(epochs * steps)

    def segment(self, progress: Progress) -> None:
        if self.task is None:
            return
        if self.runs:
            self.bar.advance(self.task, progress.examples)
        else:
            self.bar.update(self.task, completed=(progress.epoch - 1) * progress.steps + progress.step)

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        if self.task is not None:
            self.bar.advance(self.task, examples)

    def end(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task, self.runs = None, 0
        self.bar.stop()

    def _start(self, total: int) -> None:
        self.task = self.bar.add_task(self.part, total=total)
        self.bar.start()

    def _line(self, line: str) -> None:
        self.console.print(printable(line), markup=False, soft_wrap=True)
