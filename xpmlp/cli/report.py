"""Progress and summary of the report on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from rich.progress import TextColumn

from xpmlp._text import duration
from xpmlp.cli.interrupt import stop_on_signals
from xpmlp.cli.progress import Shown
from xpmlp.cli.streams import print_lines
from xpmlp.grid import Block
from xpmlp.nn import Metric
from xpmlp.report import FinishedPart, Interrupted, Report, ReportPart, ReportReporter, write_report
from xpmlp.report.page import judged_well
from xpmlp.training import Progress
from xpmlp.training.record import Outcome


def run(folder: Path, *, quiet: bool, **how: Any) -> int:
    """Write the report, showing its progress, and print a summary.

    Parameters
    ----------
    folder : Path
    quiet : bool
    **how
        Further arguments of `xpmlp.report.write_report`.

    Returns
    -------
    exit_status : int
        0, or 130 or 143 if Ctrl-C or SIGTERM has interrupted it.
    """
    started = time.perf_counter()
    watching: Any = nullcontext(ReportReporter()) if quiet else ShownReport(sys.stdout)
    with stop_on_signals(quiet) as stop, watching as reporter:
        try:
            report = write_report(folder, reporter=reporter, should_stop=stop.requested, **how)
        except Interrupted:
            kept = f"interrupted; the finished parts are kept in {folder}, and the same command continues from there"
            print_lines(() if quiet else [kept])
            return stop.exit_status
    print_lines(() if quiet else summary(report, time.perf_counter() - started))
    return 0


def summary(report: Report, seconds: float) -> Iterator[str]:
    """Yield the last lines: the verdicts, and the page's path."""
    for item, figure, coursework, here, verdict in report.comparisons:
        if verdict.holds is False:
            yield f"{item}, {figure}: {here}, coursework {coursework}: {verdict.text}"
    good, judged = judged_well(report.comparisons)
    if judged:
        yield f"{good} of {judged} figures are as the coursework's or better"
    yield f"report: {report.page} ({duration(seconds)})"


class ShownReport(Shown, ReportReporter):
    """A reporter with a line for each part and, on a terminal, a bar while one trains."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream, TextColumn("{task.description}"), TextColumn("{task.percentage:>3.0f}%"))
        self.part, self.runs, self.seen = "", 0, 0

    def part_kept(self, part: ReportPart, done: FinishedPart) -> None:
        """Print that a finished part is kept."""
        self.line(f"{part.title}: finished {done.finished}, kept")

    def part_begins(self, part: ReportPart, beside: bool) -> None:
        """Print that a part begins."""
        self.part = part.name
        self.line(f"{part.title} ..." + (" (beside the following ones)" if beside else ""))

    def part_ends(self, part: ReportPart, done: FinishedPart) -> None:
        """Print the time a part took."""
        self.line(f"{part.title}: done in {duration(done.seconds)}")

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        """Print the amount of work, and start the bar."""
        self.runs, self.seen = runs, 0
        self.line(f"  {runs} runs" + ("" if workers is None else f", {workers} at a time"))
        self.start(examples, self.part)

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        """Start the bar."""
        if not self.runs:
            self.start(epochs * steps, self.part)

    def segment(self, progress: Progress) -> None:
        """Advance the bar."""
        self.seen += progress.examples
        self.update(self.seen if self.runs else (progress.epoch - 1) * progress.steps + progress.step)

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        """Advance the bar by a trained block of runs."""
        self.seen += examples
        self.update(self.seen)

    def end(self) -> None:
        """Remove the bar."""
        super().end()
        self.runs = 0
