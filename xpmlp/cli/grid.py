"""Progress and summary of a grid on the terminal: a line for each run, and the table of means at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import IO

from rich.progress import MofNCompleteColumn, TextColumn
from rich.text import Text

from xpmlp._text import aligned, counted
from xpmlp.cli.progress import ShownTraining
from xpmlp.grid import Block, GridReporter, GridResult
from xpmlp.grid.summary import best, figure_title, figures_of, point_in_words, short, summary_rows
from xpmlp.training import Progress, Status
from xpmlp.training.record import Outcome


def grid_summary(result: GridResult) -> Iterator[str | Text]:
    """Yield the table of means and deviations, its best line marked, the way to continue, if any, and the folder."""
    if result.summaries:
        header, rows = summary_rows(result.summaries)
        winner = best(result.summaries) if len(rows) > 1 else None
        marked = [["*" if index == winner else "", *row] for index, row in enumerate(rows)]
        for index, line in enumerate(aligned(["", *header], marked).splitlines()):
            yield Text(line, "bold") if winner is not None and index == winner + 1 else line
        if winner is not None:
            yield "* the lowest mean loss"
    if result.left:
        kept = f"progress saved; continue with `xpmlp resume {result.run_dir}`"
        yield f"interrupted with {counted(result.left, 'run')} left to train; {kept}"
    yield f"run folder: {result.run_dir}; each run's own is in {result.run_dir}/runs"


class ShownGrid(ShownTraining, GridReporter):
    """A reporter that prints a line for each run as it ends and, on a terminal, draws one bar for all."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream, MofNCompleteColumn(), TextColumn("{task.fields[speed]:,.0f} examples/s"))
        self.runs, self.seen, self.total, self.started = 0, 0, 1, 0.0

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        """Print the amount of work, and start the bar."""
        where = "on a Dask cluster" if workers is None else f"{workers} at a time"
        self.line(f"grid of {counted(runs, 'run')} in {counted(blocks, 'block')}, {where}")
        self.runs, self.total, self.started = runs, examples, time.perf_counter()
        self.start(runs, speed=0.0)

    def segment(self, progress: Progress) -> None:
        """Advance the bar."""
        self._advance(progress.examples)

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        """Print the figures of each run."""
        self._advance(examples)
        for member, outcome in zip(block.members, outcomes, strict=True):
            figures = [f"{figure_title(name)} {short(value)}" for name, value in figures_of(outcome.run).items()]
            settings = ", ".join(filter(None, [point_in_words(member.point), f"seed {outcome.run.settings.seed}"]))
            ended = "" if outcome.run.status is Status.FINISHED else f" ({outcome.run.status})"
            self.line(f"run {member.number}: {settings}: {', '.join(figures)}{ended}")

    def _advance(self, examples: int) -> None:
        self.seen += examples
        speed = self.seen / max(time.perf_counter() - self.started, 1e-9)
        self.update(self.runs * self.seen / self.total, speed=speed)
