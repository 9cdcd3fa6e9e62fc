"""Time xpmlp beside busy programs: ``python -m benchmarks.company``.

Each work is trained on one thread and with the default number, in turn, while zero, one and two processes keep cores
busy.  On NumPy the default should take at most 1.3 times as long as one thread; alone, hardly longer than another
version of xpmlp installed in a separate folder (``pip install --no-deps --target FOLDER CHECKOUT``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import machine, slug
from benchmarks.measure import Row, measure
from benchmarks.peers import RESULTS
from benchmarks.seat import Seat
from benchmarks.works import WORKS as WORKS_OF_PEERS
from benchmarks.works import Work
from xpmlp._files import write_text

WORKS = {
    work.name: work
    for work in (
        Work(
            "quickstart",
            "64-64-10 relu, batch 32, Adam",
            data="digits",
            hidden=(64,),
            activation="relu",
            optimizer="adam",
            learning_rate=0.003,
            steps=40,
        ),
        WORKS_OF_PEERS["batch-32"],
        WORKS_OF_PEERS["batch-256"],
        Work("adam", "784-300-10, batch 32, Adam", optimizer="adam", learning_rate=0.001),
    )
}

MOST_BESIDE_COMPANY, LEAST_ALONE = 1.3, 0.97
"""The bounds on NumPy: the time relative to one thread beside busy programs, and the speed relative to the other
version alone.
"""


class Cell(NamedTuple):
    """A work on a backend beside some busy processes: seconds per step, one number for each round.

    Attributes
    ----------
    work, backend : str
    busy : int
    one_thread, default, other : list of float
        ``other`` is empty if there is no other version.
    """

    work: str
    backend: str
    busy: int
    one_thread: list[float]
    default: list[float]
    other: list[float]

    @property
    def cost(self) -> float:
        """The default's time relative to that of one thread: the median over the rounds."""
        return float(np.median(np.divide(self.default, self.one_thread)))

    @property
    def pace(self) -> float | None:
        """The default's speed relative to that of the other version: the median over the rounds."""
        return float(np.median(np.divide(self.other, self.default))) if self.other else None

    @property
    def holds(self) -> bool | None:
        """Whether the bounds hold; ``None`` for backends without bounds."""
        if self.backend != "numpy":
            return None
        if self.busy:
            return self.cost <= MOST_BESIDE_COMPANY
        return self.pace is None or self.pace >= LEAST_ALONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    facts = machine()
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    cells: list[Cell] = []
    for backend in options.backends:
        for cell in _measured(options, backend):
            cells.append(cell)
            text = "\n".join(_page(facts, options, cells)) + "\n"
            record: dict[str, Any] = {"machine": facts, "rounds": options.rounds, "seconds": options.seconds}
            record["cells"] = [cell._asdict() for cell in cells]
            write_text(folder / "company.md", text)  # all results so far: an interrupted run keeps them
            write_text(folder / "company.json", json.dumps(record, indent=1) + "\n")
    print(text)
    return 0


def _measured(options: argparse.Namespace, backend: str) -> Iterator[Cell]:
    """Measure all cells of a backend."""
    entry, cores = CONTESTANTS[f"xpmlp-{backend}"], len(os.sched_getaffinity(0))
    seats = [Seat(entry, 1, confined=False), Seat(entry, cores)]
    if options.other is not None:
        seats.append(Seat(entry, cores, packages=options.other))
    try:
        for busy in options.busy:
            for name in options.works:

                def say(line: str, name: str = name, busy: int = busy) -> None:
                    print(f"{backend}, {name}, {busy} busy: {line}", file=sys.stderr, flush=True)

                with _busy_processes(busy):
                    rows = measure(WORKS[name], cores, seats, options.rounds, options.seconds, say).rows
                yield Cell(name, backend, busy, *map(_seconds, rows), *[[]] * (3 - len(rows)))
    finally:
        for seat in seats:
            seat.close()


def _seconds(row: Row) -> list[float]:
    if row.problem is not None:
        raise SystemExit(f"{row.entry.title}: {row.problem}")
    return row.rounds


@contextlib.contextmanager
def _busy_processes(number: int) -> Iterator[None]:
    """Keep some cores busy within the context."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, daemon=True) for _ in range(number)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _count() -> None:
    while True:
        pass


def _page(facts: dict[str, str], options: argparse.Namespace, cells: Sequence[Cell]) -> list[str]:
    says = {True: "yes", False: "**no**", None: ""}
    return [
        f"# Beside busy programs, on {facts['processor']}, {facts['cores']} cores",
        "",
        f"Written by `python -m benchmarks.company` on {datetime.now(UTC):%Y-%m-%d}: µs for a step, medians of "
        f"{options.rounds} rounds of {options.seconds:g} s; ratios are medians of those within a round.",
        "",
        ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + ".",
        "",
        f"On NumPy the default should take at most {MOST_BESIDE_COMPANY} times what one thread takes beside busy "
        f"processes, and have at least {LEAST_ALONE} of the other version's pace without.",
        "",
        "| backend | work | busy processes | one thread | default | time beside one thread's | other version | "
        "pace beside its | holds |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
        *(
            f"| {cell.backend} | {WORKS[cell.work].title} | {cell.busy} | {_median(cell.one_thread)} | "
            f"{_median(cell.default)} | {cell.cost:.2f} | {_median(cell.other)} | "
            f"{'' if cell.pace is None else f'{cell.pace:.2f}'} | {says[cell.holds]} |"
            for cell in cells
        ),
    ]


def _median(seconds: Sequence[float]) -> str:
    return f"{1e6 * np.median(seconds):,.0f}" if seconds else ""


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.company", description=__doc__)
    parser.add_argument("--works", nargs="+", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--backends", nargs="+", default=["numpy", "torch", "jax"], choices=["numpy", "torch", "jax"])
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 1, 2], help="numbers of busy processes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn, at least")
    parser.add_argument("--other", type=Path, metavar="FOLDER", help="with another version of xpmlp")
    parser.add_argument("--out", type=Path, help=f"a folder (default: {RESULTS}/<machine>)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
