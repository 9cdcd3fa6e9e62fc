"""Progress of long work: lines of text and, on a terminal, a bar below them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any, Self

import numpy as np
from rich.progress import BarColumn, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from xpmlp._text import printable
from xpmlp.backend import Choice
from xpmlp.cli.streams import can_redraw, console_on
from xpmlp.data import Dataset
from xpmlp.data.messages import quoted
from xpmlp.nn import Metric, Network, metric_names
from xpmlp.training import EpochRow, Progress, Reporter
from xpmlp.training.vote import mean_row

_OF_THE_USER = ("table", "csv", "npz", "arrays")
"""The data sets whose classes are found in the data rather than known beforehand."""

MAX_SHOWN = 101
"""Maximum number of lines shown of a table's schema, including the head."""

SHOWN_EPOCHS = 30
"""About how many epochs get a line where there is no bar, if there are at least twice as many."""

_MANY = 10
"""Maximum number of classes listed one by one."""


class Shown(Reporter):
    """A reporter that prints lines and, on a capable terminal, draws a bar while work is in progress.

    Parameters
    ----------
    stream : text stream
    before, after : ProgressColumn
        The columns on either side of the bar, the second followed by the remaining time.
    """

    quiet = False

    def __init__(self, stream: IO[str], before: ProgressColumn, after: ProgressColumn) -> None:
        self.console = console_on(stream)
        columns = (before, BarColumn(bar_width=None), after, TimeRemainingColumn(compact=True))
        self.bar = Bar(*columns, console=self.console, transient=True, disable=not can_redraw(stream))
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def start(self, total: float, description: str = "", **fields: Any) -> None:
        """Show a bar for ``total`` units of work."""
        self.task = self.bar.add_task(description, total=total, **fields)
        self.bar.start()

    def update(self, completed: float, **fields: Any) -> None:
        """Set the amount of work done."""
        if self.task is not None:
            self.bar.update(self.task, completed=completed, **fields)

    def line(self, text: str) -> None:
        """Print a line."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    def end(self) -> None:
        """Remove the bar."""
        self.bar.stop()
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = None


class ShownTraining(Shown):
    """A reporter of a training of one or many runs, with a description of the network and notes."""

    dataset: Dataset | None = None

    def note(self, text: str) -> None:
        """Print a sentence."""
        self.line(text)

    def prepared(self, choice: Choice, dataset: Dataset, network: Network) -> None:
        """Describe the network, the data and the backend."""
        self.dataset = dataset
        for line in describe(choice, dataset, network):
            self.line(line)


class ShownRun(ShownTraining):
    """A reporter with a line for each epoch, above a bar with loss, metric, speed and remaining time.

    Where there is no bar, as in a file, only every few of many epochs get a line, besides the first and the last.

    Parameters
    ----------
    stream : text stream
    members : int
        The number of runs that vote: an epoch's line has the means of their figures.
    """

    def __init__(self, stream: IO[str], members: int = 1) -> None:
        super().__init__(stream, TextColumn("{task.description}"), TextColumn("{task.fields[figures]}"))
        self.epochs, self.metric, self.members = 0, "", members
        self.rows: list[EpochRow] = []
        self.unsaid = ""
        self.in_epoch, self.epoch_began, self.seen, self.began = 0, 0.0, 0, 0.0

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        """Start the bar."""
        self.epochs, self.metric = epochs, metric_names[metric]
        self.epoch_began = self.began = time.perf_counter()
        self.start(epochs * steps, f"epoch 1/{epochs}", figures="")

    def segment(self, progress: Progress) -> None:
        """Advance the bar."""
        self._epoch_ended()  # if a member has left the vote
        self.in_epoch += progress.examples
        self.seen += progress.examples
        speed = self.seen / (time.perf_counter() - self.began)
        self.update(
            (progress.epoch - 1) * progress.steps + progress.step,
            description=f"epoch {progress.epoch}/{progress.epochs}",
            figures=f"loss {progress.loss:.4f}  {self.metric} {progress.value:.4f} {speed:,.0f} examples/s",
        )

    def epoch(self, run: int, row: EpochRow) -> None:
        """Print the figures of an epoch, once all members have completed it."""
        self.rows.append(row)
        if len(self.rows) >= self.members:
            self._epoch_ended()

    def end(self) -> None:
        """Remove the bar, and print the last epoch's line if it was left out."""
        self._epoch_ended()
        super().end()
        if self.unsaid:
            self.line(self.unsaid)
        self.unsaid = ""

    def _epoch_ended(self) -> None:
        if not self.rows:
            return
        row, self.rows = mean_row(self.rows), []
        speed = self.in_epoch / (time.perf_counter() - self.epoch_began)
        validation = (
            ""
            if row.validation_loss is None
            else f"   validation loss {row.validation_loss:.4f}, {self.metric} {row.validation_value:.4f}"
        )
        self.unsaid = (
            f"epoch {row.epoch:>{len(str(self.epochs))}}/{self.epochs}   train loss {row.train_loss:.4f}, "
            f"{self.metric} {row.train_value:.4f}{validation}   {speed:,.0f} examples/s"
        )
        every = 1 if self.task is not None and not self.bar.disable else max(1, self.epochs // SHOWN_EPOCHS)
        if row.epoch % every == 0 or row.epoch in (1, self.epochs):
            self.line(self.unsaid)
            self.unsaid = ""
        self.in_epoch, self.epoch_began = 0, time.perf_counter()


def describe(choice: Choice, dataset: Dataset, network: Network) -> Iterator[str]:
    """Yield lines that describe the data, the network and the backend before training."""
    if choice.reason is not None:
        yield choice.reason
    parts = [("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)]
    if dataset.table is not None:
        yield from str(dataset.table.encoding.table_schema).splitlines()[:MAX_SHOWN]
        yield from _more_columns(dataset)
    counts = ", ".join(f"{len(part):,} {name}" for name, part in parts if part is not None)
    classes = f"; {_classes(dataset)}" if dataset.n_classes and dataset.name in _OF_THE_USER else ""
    yield f"{dataset.name}: {counts} examples{classes}"
    yield f"network {'-'.join(map(str, network.sizes))}, {network.n_parameters:,} parameters"
    backend = choice.backend
    yield f"{backend.name} {backend.version} on {backend.device_name}, {backend.dtype_name}"
    if backend.compiles_first():
        yield "compiling the training steps for this machine, which takes some ten seconds"


def _more_columns(dataset: Dataset) -> Iterator[str]:
    assert dataset.table is not None
    columns = dataset.table.encoding.table_schema.columns
    if len(columns) >= MAX_SHOWN:
        kinds = Counter(column.kind for column in columns[MAX_SHOWN - 1 :])
        counts = ", ".join(f"{times:,} {kind}" for kind, times in kinds.most_common())
        yield f"and {sum(kinds.values()):,} more: {counts}"


def _classes(dataset: Dataset) -> str:
    """Describe the classes with their counts over all parts; of many, the first ones, and the range of the others."""
    parts = [part.targets for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    counts = np.bincount(np.concatenate(parts), minlength=dataset.n_classes)
    shown = [
        f"{quoted(label) if isinstance(label, str) else label} ({count:,})"
        for label, count in zip(dataset.classes[:_MANY].tolist(), counts, strict=False)
    ]
    if dataset.n_classes > _MANY:
        rest = counts[_MANY:]
        each = " to ".join(f"{count:,}" for count in sorted({int(rest.min()), int(rest.max())}))
        shown.append(f"and {len(rest):,} more ({each} examples each)")
    return f"{dataset.n_classes:,} classes: {', '.join(shown)}"
