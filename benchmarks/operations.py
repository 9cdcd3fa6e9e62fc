"""Where the time of a training step goes: ``python -m benchmarks.operations``.

Each operation of a step is timed while xpmlp trains MNIST with its real loop, and compared with the whole step; in
NumPy's compiled steps each instruction is.  Only for backends that compute synchronously: JAX compiles the step as a
whole, and a GPU computes asynchronously.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, slug
from benchmarks.peers import RESULTS
from benchmarks.works import WORKS, Work
from xpmlp._files import write_text
from xpmlp.backend import Backend, resolve
from xpmlp.bench import Stopwatch
from xpmlp.nn import Ops
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings

REST = "the rest: Python, losses and scores, the loop"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    facts = machine()
    blocks = ["# Where the time of a step goes", "", *(f"- {name}: {text}" for name, text in facts.items()), ""]
    record: dict[str, Any] = {"machine": facts, "time": datetime.now(UTC).isoformat(timespec="seconds"), "works": {}}
    for name in options.works:
        times = profile(name, options.backend, options.threads, options.rounds)
        total = sum(times.values())
        threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
        blocks += [f"## {WORKS[name].title}, {options.backend}, {threads}: {1e6 * total:,.1f} µs a step", ""]
        blocks += ["| operation | µs | share |", "|---|---:|---:|"]
        ordered = sorted(times.items(), key=lambda item: (item[0] == REST, -item[1]))
        blocks += [f"| {operation} | {1e6 * spent:,.1f} | {spent / total:.0%} |" for operation, spent in ordered]
        blocks.append("")
        record["works"][name] = dict(ordered)
    text = "\n".join(blocks)
    print(text)
    stem = f"operations-{options.backend}-{options.threads}"
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{stem}.md", text)
    write_text(folder / f"{stem}.json", json.dumps(record, indent=1) + "\n")
    return 0


def profile(name: str, backend_name: str, threads: int, rounds: int) -> dict[str, float]:
    """Measure the seconds of each operation in a step, and of the rest, in the fastest of several stretches.

    Parameters
    ----------
    name : str
        Name of a work in `benchmarks.works`.
    backend_name : str
    threads, rounds : int
    """
    work = WORKS[name]
    backend = resolve(backend_name, threads=threads).backend
    config, dataset = work.config(backend_name, None), work.dataset()
    plain = ConfigTrainable(config, dataset, backend)
    with backend.session(plain.rows_at_once):
        _stretch(plain, work)  # imports, traces and compiles everything
        whole = min(_stretch(plain, work) for _ in range(rounds))
        best: dict[str, float] = {}
        for _ in range(rounds):
            spent: defaultdict[str, float] = defaultdict(float)
            with _timed(backend, spent):
                problem = ConfigTrainable(config, dataset, backend)  # with the timed operations
                _stretch(problem, work)
                spent.clear()
                _stretch(problem, work)
            if not best or sum(spent.values()) < sum(best.values()):
                best = dict(spent)
    times = {operation: seconds / work.steps for operation, seconds in best.items()}
    return times | {REST: max(0.0, whole - sum(times.values()))}


def _stretch(problem: ConfigTrainable, work: Work) -> float:
    """Train a work's first steps; return the seconds per step."""
    watch = Stopwatch(most_steps=work.steps)
    train_block(problem, [RunSettings.of(problem.config.train)], watch, watch.enough)
    return watch.seconds / watch.steps


@contextlib.contextmanager
def _timed(backend: Backend, spent: defaultdict[str, float]) -> Iterator[None]:
    """Time the backend's operations, and the instructions of its compiled steps, adding the seconds to ``spent``."""

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*operands: Any) -> Any:
            start = time.perf_counter()
            result = function(*operands)
            spent[f"`{name}` {_size(name, operands)}".rstrip()] += time.perf_counter() - start
            return result

        return call

    ops, scans = backend.ops, getattr(backend, "_scans", None)
    backend.ops = Ops(ops.xp, *(timed(name, getattr(ops, name)) for name in Ops._fields[1:]))
    if scans is not None:
        scans.always, scans.spent = True, spent
    yield
    backend.ops = ops
    if scans is not None:
        scans.always, scans.spent = False, None


def _size(name: str, operands: tuple[Any, ...]) -> str:
    """Return the shape of the weights, or an empty text without weights."""
    weights = {"affine": 1, "multiply_transposed": 1, "add_product": 0}.get(name)
    return "" if weights is None else "x".join(map(str, operands[weights].shape))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__)
    parser.add_argument("--works", nargs="+", default=["batch-1", "batch-32", "batch-256", "batch-1024", "deep"])
    parser.add_argument("--backend", default="numpy", choices=["numpy", "torch"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help=f"a folder (default: {RESULTS}/<machine>)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
