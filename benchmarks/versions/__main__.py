"""Compare another version of xpmlp with the working tree: numbers, which must agree, and times.

The versions train in separate processes on one machine, in turn.  The other version is in a folder (``pip install
--no-deps --target FOLDER CHECKOUT``), or is a commit.  The exit status is 1 if numbers do not agree.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contestants import ContestantError, Entry
from benchmarks.contestants.version import Training
from benchmarks.machine import machine, slug
from benchmarks.measure import PAUSE
from benchmarks.peers import RESULTS
from benchmarks.seat import Seat
from benchmarks.versions.cases import CASES, Case
from benchmarks.versions.comparison import compare
from benchmarks.versions.report import Cell, as_json, page, summary
from xpmlp._files import write_text
from xpmlp.backend import DTypeName

ROOT = Path(__file__).parents[2]

BACKENDS = {
    "numpy": Entry("numpy", "NumPy", "version:OnNumpy", "cpu"),
    "numpy-alone": Entry("numpy-alone", "NumPy without Numba", "version:OnNumpyAlone", "cpu"),
    "torch": Entry("torch", "PyTorch", "version:OnTorch", "cpu"),
    "jax": Entry("jax", "JAX", "version:OnJax", "cpu"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them; return the exit status."""
    options = _options(arguments)
    if options.folder is not None and (options.folder / "benchmarks").exists():
        raise SystemExit(f"{options.folder} is a checkout: give --commit, or a folder that pip has installed it in.")
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        other = options.folder or _exported(options.commit, scratch / "packages")
        cells = list(_measured_and_written(options, other, scratch))
    print("\n".join(summary(cells)))
    return int(not all(cell.holds for cell in cells))


def _measured_and_written(options: argparse.Namespace, other: Path, scratch: Path) -> Iterator[Cell]:
    """Measure all cells; the page is written after each one, so that an interrupted run keeps them."""
    facts = machine()
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    old, new = options.commit or str(other), f"the working tree at {_git('describe', '--always', '--dirty').strip()}"
    how = f"{datetime.now(UTC):%Y-%m-%d}, {options.steps} steps of each, threads: {options.threads}, " + (
        f"{options.rounds} rounds of {options.seconds:g} s." if options.rounds else "not timed."
    )
    title = f"Two versions on {facts['processor']}, {facts['cores']} cores"
    record = {
        "machine": facts,
        "old": old,
        "new": new,
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    trainings = {name: CASES[name].training(options.steps, scratch) for name in options.cases}
    cells: list[Cell] = []
    for backend in options.backends:
        with _seats(BACKENDS[backend], options.threads, other) as seats:
            for name, training in trainings.items():
                cells.append(_measured(CASES[name], training, backend, seats, options, scratch))
                _say(cells[-1])
                write_text(folder / "versions.md", "\n".join(page(title, facts, old, new, how, cells)) + "\n")
                saved = {**record, "steps": options.steps, "cells": [as_json(cell) for cell in cells]}
                write_text(folder / "versions.json", json.dumps(saved, indent=1) + "\n")
                yield cells[-1]


@contextlib.contextmanager
def _seats(entry: Entry, threads: int, other: Path) -> Iterator[tuple[Seat, Seat]]:
    """Start the old version's process and the new one's."""
    seats = Seat(entry, threads, packages=other), Seat(entry, threads, packages=ROOT)
    try:
        yield seats
    finally:
        for seat in seats:
            seat.close()


def _measured(
    case: Case, training: Training, backend: str, seats: tuple[Seat, Seat], options: argparse.Namespace, scratch: Path
) -> Cell:
    """Train a case with both versions for its numbers, then repeatedly for its time."""
    cell = Cell(case.name, backend, bitwise=backend.startswith("numpy") and not case.stacked)
    model, optimizer = case.settings(scratch).model, case.settings(scratch).train.optimizer
    dtypes: list[DTypeName] = ["float32"]
    if not cell.bitwise and "relu" in model.hidden_activations:
        dtypes.append("float64")  # as in verify: in float32 rounding decides which units learn
    try:
        for seat in seats:
            seat.ask("prepare", training)
        if (homes := [seat.ask("home") for seat in seats])[0] == homes[1]:
            raise SystemExit(f"Both versions are the one in {homes[0]}: there is none in the folder that was given.")
        for dtype in dtypes:
            old, new = (seat.ask("numbers", dtype) for seat in seats)
            cell.comparisons[dtype] = compare(old, new, dtype, optimizer)
        for number in range(options.rounds):
            for seat in seats[:: 1 if number % 2 == 0 else -1]:  # back and forth, so that drift favours neither
                time.sleep(PAUSE)
                (cell.old if seat is seats[0] else cell.new).append(seat.ask("seconds", options.seconds))
    except ContestantError as error:
        cell.problem, cell.old, cell.new = str(error), [], []
    return cell


def _say(cell: Cell) -> None:
    time_ratio = "" if cell.ratios is None else f", time {cell.ratios.median:.3f}"
    verdict = cell.problem or f"numbers {'' if cell.holds else 'NOT '}as they must be"
    print(f"{cell.backend}, {cell.case}: {verdict}{time_ratio}", file=sys.stderr, flush=True)


def _exported(commit: str, folder: Path) -> Path:
    """Export the package at a commit into a folder from which it can be imported."""
    archive = subprocess.run(["git", "archive", commit, "xpmlp"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise SystemExit(archive.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("folder", nargs="?", type=Path, help="with the other version's package")
    which.add_argument("--commit", metavar="REV", help="the other version, taken from this repository")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=list(BACKENDS))
    parser.add_argument("--steps", type=int, default=200, help="of each case, whose numbers are compared")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="(default: all cores)")
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn, at least")
    parser.add_argument("--no-time", dest="rounds", action="store_const", const=0, help="compare numbers only")
    parser.add_argument("--out", type=Path, help=f"a folder (default: {RESULTS}/<machine>)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
