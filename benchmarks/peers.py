"""Time xpmlp and other libraries on the same work: ``python -m benchmarks.peers``.  See README.md here."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS, FLOORS, GRIDS, REFERENCE, Entry
from benchmarks.machine import machine, slug
from benchmarks.measure import Measurement, measure
from benchmarks.plot import draw
from benchmarks.report import as_json, page, tables
from benchmarks.seat import Seat
from benchmarks.works import DEFAULT, QUICK, WORKS, Work
from xpmlp._files import write_text
from xpmlp.data import load
from xpmlp.errors import DataError

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = parse(arguments)
    try:
        for data in {WORKS[name].data for name in options.works}:
            load(data)  # if it is missing, it is missing for all
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return DataError.exit_status
    facts = machine()
    started = time.perf_counter()
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "rounds": options.rounds, "seconds": options.seconds}
    measurements: list[Measurement] = []
    for threads in options.threads:
        for measurement in measured(options, threads, last=threads == options.threads[-1]):
            measurements.append(measurement)
            measurements.sort(key=lambda one: (options.works.index(one.work.name), one.threads))
            settings["took_seconds"] = round(time.perf_counter() - started)
            _write(folder, facts, settings, measurements)  # all results so far: an interrupted run keeps them
    print("\n".join(tables(measurements)))
    print(f"written to {folder} after {settings['took_seconds']} s")
    return 0


def _write(folder: Path, facts: dict[str, str], settings: dict[str, Any], measurements: Sequence[Measurement]) -> None:
    paces = [one for one in measurements if one.work.kind == "pace"]
    if paces:
        draw(paces, folder / "peers.png")
    write_text(folder / "peers.md", page(facts, settings, measurements, "peers.png" if paces else None))
    write_text(folder / "peers.json", json.dumps(as_json(facts, settings, measurements), indent=1) + "\n")


def measured(options: argparse.Namespace, threads: int, *, last: bool) -> Iterator[Measurement]:
    """Measure all works with a number of threads; GPUs, grids and times to an accuracy only with the last number."""
    works = [WORKS[name] for name in options.works if last or WORKS[name].kind == "pace"]
    entries = [CONTESTANTS[name] for name in options.contestants]
    devices = {"cpu", "gpu"} if last else {"cpu"}
    grids = GRIDS if any(work.kind == "grid" for work in works) else []
    beside = [entry for entry in (*FLOORS.values(), *grids) if entry.device in options.devices]
    seats = [Seat(entry, threads) for entry in (*entries, *beside) if entry.device in devices]
    try:
        for work in works:
            taking_part = [seat for seat in seats if _takes_part(seat.entry, work)]

            def say(line: str, work: Work = work) -> None:
                print(f"{work.name}, threads {threads}: {line}", file=sys.stderr, flush=True)

            yield measure(work, threads, taking_part, options.rounds, options.seconds, say)
    finally:
        for seat in seats:
            seat.close()


def _takes_part(entry: Entry, work: Work) -> bool:
    if entry in FLOORS.values():
        return work.kind == "pace"
    return entry not in GRIDS or work.kind == "grid"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the options, and fill in defaults."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--works", type=_names(WORKS), help=f"of {', '.join(WORKS)} [default: {','.join(DEFAULT)}]")
    parser.add_argument(
        "--contestants", type=_names(CONTESTANTS), help=f"of {', '.join(CONTESTANTS)} [default: all that are here]"
    )
    parser.add_argument("--threads", type=_numbers, help="CPU threads, as 1,2 [default: 1 and all cores]")
    parser.add_argument("--rounds", type=int, help="turns of each contestant [default: 7]")
    parser.add_argument("--seconds", type=float, help="length of a turn, at least [default: 0.4]")
    parser.add_argument("--out", type=Path, help="the folder to write [default: benchmarks/results/<machine>]")
    parser.add_argument("--quick", action="store_true", help="a small version in two minutes, not for comparing")
    options = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quick = options.quick
    left_out = {"torch-compile", "torch-compile-gpu"} if quick else set()
    if shutil.which("nvidia-smi") is None:
        left_out |= {name for name, entry in CONTESTANTS.items() if entry.device == "gpu"}
    options.works = options.works or (QUICK if quick else DEFAULT)
    options.contestants = options.contestants or [name for name in CONTESTANTS if name not in left_out]
    options.devices = {CONTESTANTS[name].device for name in options.contestants}
    if REFERENCE.name not in options.contestants:
        options.contestants.insert(0, REFERENCE.name)
    options.threads = sorted(set(options.threads or ([cores] if quick else [1, cores])))
    options.rounds = options.rounds or (3 if quick else 7)
    options.seconds = options.seconds or (0.1 if quick else 0.4)
    if options.threads[-1] > cores:
        parser.error(f"--threads {options.threads[-1]}: there are {cores} cores")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds has to be at least 1, --seconds more than 0")
    return options


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
        return names

    return parse


def _numbers(text: str) -> list[int]:
    numbers = [int(number) for number in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("a number of threads is at least 1")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
