"""``xpmlp train`` on a config with a grid: many runs that a person watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from xpmlp._text import printable
from xpmlp.backend import Choice
from xpmlp.cli.columns import aligned
from xpmlp.cli.interrupt import stop_on_signals
from xpmlp.cli.progress import describe
from xpmlp.cli.streams import can_redraw, console_on
from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.grid import Block, GridReporter, GridResult, train_grid
from xpmlp.grid.summary import best, figure_title, figures_of, point_text, short, summary_rows
from xpmlp.nn import Network
from xpmlp.training import Progress, Status
from xpmlp.training.record import Outcome


def run(
    config: Config, folder: Path, *, overwrite: bool, resume: bool, force: bool, allow_code: bool, quiet: bool
) -> int:
    """Train a grid, show how it goes, and print the summary.

    Returns
    -------
    exit_status : int
        0, or 130 or 143 if Ctrl-C or SIGTERM has interrupted it.
    """
    with stop_on_signals(quiet) as stop, _reporter_for(sys.stdout, quiet=quiet) as reporter:
        result = train_grid(
            config,
            folder,
            overwrite=overwrite,
            resume=resume,
            force=force,
            allow_code=allow_code,
            reporter=reporter,
            should_stop=lambda: stop.requested,
        )
    if not quiet:
        console = console_on(sys.stdout)
        for line in summary(result):
            console.print(line, markup=False, soft_wrap=True)
    return stop.exit_status


def summary(result: GridResult) -> Iterator[str | Text]:
    """The table of means and deviations, the best line marked (and in bold on a terminal), and where the rest is."""
    if result.summaries:
        header, rows = summary_rows(result.summaries)
        winner = best(result.summaries) if len(rows) > 1 else None
        marked = [["*" if index == winner else "", *row] for index, row in enumerate(rows)]
        for index, line in enumerate(aligned(["", *header], marked).splitlines()):
            yield Text(line, "bold") if winner is not None and index == winner + 1 else line
        if winner is not None:
            yield "* the lowest mean loss"
    folder = printable(str(result.run_dir))
    yield f"run folder: {folder}; each run's own is in {folder}/runs"


@contextmanager
def _reporter_for(stream: IO[str], *, quiet: bool) -> Iterator[GridReporter]:
    if quiet:
        yield GridReporter()
        return
    reporter = _Shown(console_on(stream), bar=can_redraw(stream))
    try:
        yield reporter
    finally:
        reporter.end()


class _Shown(GridReporter):
    """A line for each run as it ends and, on a terminal, one bar for all."""

    quiet = False

    def __init__(self, console: Console, *, bar: bool) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn("runs"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[speed]:,.0f} examples/s"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not bar,
        )
        self.task: TaskID | None = None
        self.runs, self.seen, self.total, self.started = 0, 0, 1, 0.0

    def prepared(self, choice: Choice, dataset: Dataset, network: Network) -> None:
        for line in describe(choice, dataset, network):
            self._line(line)

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        where = "on a Dask cluster" if workers is None else f"{workers} at a time"
        self._line(f"grid of {runs} runs in {blocks} block{'s' * (blocks > 1)}, {where}")
        self.runs, self.total, self.started = runs, examples, time.perf_counter()
        self.task = self.bar.add_task("", total=runs, speed=0.0)
        self.bar.start()

    def note(self, text: str) -> None:
        self._line(text)

    def segment(self, progress: Progress) -> None:
        self._advance(progress.examples)

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        self._advance(examples)
        for member, outcome in zip(block.members, outcomes, strict=True):
            point = ", ".join(f"{name} {point_text(value)}" for name, value in member.point.items())
            figures = figures_of(outcome.run)
            shown = ", ".join(f"{figure_title(name)} {short(value)}" for name, value in figures.items())
            seed = f"seed {outcome.run.settings.seed}"
            ended = "" if outcome.run.status is Status.FINISHED else f" ({outcome.run.status})"
            self._line(f"run {member.number}: {', '.join(filter(None, [point, seed]))}: {shown}{ended}")

    def end(self) -> None:
        self.bar.stop()

    def _advance(self, examples: int) -> None:
        self.seen += examples
        if self.task is not None:
            speed = self.seen / max(time.perf_counter() - self.started, 1e-9)
            self.bar.update(self.task, completed=self.runs * self.seen / self.total, speed=speed)

    def _line(self, line: str) -> None:
        self.console.print(printable(line), markup=False, soft_wrap=True)
