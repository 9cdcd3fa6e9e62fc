"""A bar on the terminal while an estimator is fitted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from xpmlp._streams import SafeStream
from xpmlp.training.run import EpochRow, Progress, Reporter


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Reporter]:
    """A reporter that draws a bar on standard error, if that is a terminal and ``shown`` is true."""
    if not shown:
        yield Reporter()
        return
    with _Tqdm(unit=" examples", unit_scale=True, leave=False, disable=None, file=SafeStream(sys.stderr)) as bar:
        yield _Bar(bar)


class _Tqdm(tqdm):
    """A bar that starts no thread to watch over it, which would stay in the process."""

    monitor_interval = 0


class _Bar(Reporter):
    """One bar for an epoch's steps."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def segment(self, progress: Progress) -> None:
        self.bar.set_description(f"epoch {progress.epoch}/{progress.epochs}", refresh=False)
        self.bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
        self.bar.update(progress.examples)

    def epoch(self, run: int, row: EpochRow) -> None:
        self.bar.refresh()
