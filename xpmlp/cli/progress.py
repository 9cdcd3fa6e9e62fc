"""How a training is shown: a progress bar on a terminal, one line for each epoch elsewhere, or nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from xpmlp._text import printable
from xpmlp.backend import Choice
from xpmlp.cli.streams import can_redraw, console_on
from xpmlp.data import Dataset
from xpmlp.data.messages import quoted
from xpmlp.nn import Metric, Network, metric_names
from xpmlp.training import EpochRow, Progress, Reporter

_OF_THE_USER = ("table", "csv", "npz", "arrays")
"""The data whose classes are found, not known from the beginning."""

MAX_SHOWN = 101
"""Lines of a table's schema that are shown, its head among them."""

_MANY = 10
"""Classes that are listed one by one."""


@contextmanager
def reporter_for(stream: IO[str], *, quiet: bool) -> Iterator[Reporter]:
    """The reporter that suits where the output goes."""
    if quiet:
        yield Reporter()
    elif can_redraw(stream):
        with _Terminal(console_on(stream)) as terminal:
            yield terminal
    else:
        yield _Lines(stream)


def describe(choice: Choice, dataset: Dataset, network: Network) -> Iterator[str]:
    """The lines that say what is about to be trained, and where."""
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
    """The classes with their counts over all parts, and of many the first and what the others have."""
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


class _Lines(Reporter):
    """A line for what is trained, and a line for each epoch."""

    quiet = False

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.epochs, self.examples, self.started = 0, 0, 0.0
        self.metric: Metric = "accuracy"
        self.dataset: Dataset | None = None

    def write(self, line: str) -> None:
        """Print a line."""
        print(printable(line), file=self.stream, flush=True)

    def prepared(self, choice: Choice, dataset: Dataset, network: Network) -> None:
        self.dataset = dataset
        for line in describe(choice, dataset, network):
            self.write(line)

    def note(self, text: str) -> None:
        self.write(text)

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        self.metric = metric
        self.epochs, self.started = epochs, time.perf_counter()

    def segment(self, progress: Progress) -> None:
        self.examples += progress.examples

    def epoch(self, run: int, row: EpochRow) -> None:
        name = metric_names[self.metric]
        elapsed = time.perf_counter() - self.started
        validation = (
            ""
            if row.validation_loss is None
            else f"   validation loss {row.validation_loss:.4f}, {name} {row.validation_value:.4f}"
        )
        self.write(
            f"epoch {row.epoch:>{len(str(self.epochs))}}/{self.epochs}"
            f"   train loss {row.train_loss:.4f}, {name} {row.train_value:.4f}{validation}"
            f"   {self.examples / elapsed:,.0f} examples/s"
        )
        self.examples, self.started = 0, time.perf_counter()


class _Terminal(_Lines):
    """The same lines, above a bar with loss, metric, speed and the time that is left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.file)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None
        self.seen, self.since = 0, 0.0

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def write(self, line: str) -> None:
        self.bar.console.print(printable(line), markup=False)

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        super().begin(epochs, steps, metric)
        self.since = time.perf_counter()
        self.task = self.bar.add_task(f"epoch 1/{epochs}", total=epochs * steps, figures="")
        self.bar.start()

    def segment(self, progress: Progress) -> None:
        super().segment(progress)
        self.seen += progress.examples
        speed = self.seen / (time.perf_counter() - self.since)
        if self.task is not None:
            self.bar.update(
                self.task,
                description=f"epoch {progress.epoch}/{progress.epochs}",
                completed=(progress.epoch - 1) * progress.steps + progress.step,
                figures=f"loss {progress.loss:.4f}  {metric_names[self.metric]} {progress.value:.4f} "
                f"{speed:,.0f} examples/s",
            )

    def end(self) -> None:
        self.bar.stop()
