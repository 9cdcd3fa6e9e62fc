"""Stacks of runs compared with a single run, and the coursework's Table 4: ``python -m benchmarks.stacks``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contestants.ours import GPU
from benchmarks.machine import machine, slug
from benchmarks.measure import Spread
from benchmarks.peers import RESULTS
from benchmarks.works import WORKS, Work
from xpmlp._files import write_text
from xpmlp.bench import Stopwatch
from xpmlp.grid import train_grid
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.training.trainer import resolve_configured

BATCHES = ("batch-1", "batch-32", "batch-256")

EPOCHS = 5
"""Number of epochs of Table 4."""

NO_LIMIT = 10_000
"""A time limit in seconds longer than an epoch on any machine."""


class Steps(NamedTuple):
    """Time of a step in seconds, for one run and for stacks of runs.

    Attributes
    ----------
    batch : int
    spreads : dict of Spread
        The times by the number of runs, 1 first.
    """

    batch: int
    spreads: dict[int, Spread]

    def ratio(self, runs: int) -> float:
        """Return the ratio of the time of a stack's step to that of a single run's."""
        return self.spreads[runs].median / self.spreads[1].median

    def as_json(self) -> dict[str, Any]:
        """Return all figures, for JSON."""
        stacked = {runs: {**spread._asdict(), "ratio": self.ratio(runs)} for runs, spread in self.spreads.items()}
        return {"batch": self.batch, "runs": stacked}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    facts = machine()
    backend, device = options.backend, options.device
    steps = [measured(WORKS[name], backend, device, options.runs, options.rounds) for name in BATCHES]
    work = WORKS["grid"]
    seconds, losses = table_4(work, backend, device, EPOCHS)
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_page(facts, options, steps, work, seconds)) + "\n"
    write_text(folder / f"stacks-{backend}.md", text)
    saved = {
        "machine": facts,
        "backend": backend,
        "device": device,
        "rounds": options.rounds,
        "steps": [one.as_json() for one in steps],
        "table_4": {"runs": work.grid_size, "epochs": EPOCHS, "seconds": seconds, "validation_losses": losses},
    }
    write_text(folder / f"stacks-{backend}.json", json.dumps(saved, indent=1) + "\n")
    print(text)
    return 0


def measured(work: Work, backend: str, device: str | None, stacked: Sequence[int], rounds: int) -> Steps:
    """Time epochs of one run, then of stacks, each after an uncounted one and in a separate session.

    Parameters
    ----------
    work : Work
    backend, device : str
    stacked : sequence of int
        Numbers of runs in a stack.
    rounds : int
        Number of epochs of each.

    Returns
    -------
    steps : Steps
    """
    config = work.config(backend, device)
    problem = ConfigTrainable(config, work.dataset(), resolve_configured(config.backend).backend)
    alone, rates = RunSettings.of(config.train), work.grid_learning_rates
    spreads = {1: _rounds(problem, [alone], rounds)}
    for count in stacked:
        runs = [alone._replace(seed=run, learning_rate=rates[run % len(rates)]) for run in range(count)]
        spreads[count] = _rounds(problem, runs, rounds)
    return Steps(work.batch, spreads)


def table_4(work: Work, backend: str, device: str | None, epochs: int) -> tuple[float, list[float | None]]:
    """Train all runs of a work's grid; return the seconds from reading the data on, and the runs' last validation
    losses.
    """
    config = work.grid_config(backend, device, 1)
    config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": epochs})})
    started = time.perf_counter()
    losses = [run.epochs[-1].validation_loss for run in train_grid(config).runs]
    return time.perf_counter() - started, losses


def _rounds(problem: ConfigTrainable, runs: Sequence[RunSettings], rounds: int) -> Spread:
    with problem.backend.session(problem.rows_at_once):
        return Spread.of([_epoch(problem, runs) for _ in range(rounds + 1)][1:])


def _epoch(problem: ConfigTrainable, runs: Sequence[RunSettings]) -> float:
    """Return the seconds per step of an epoch."""
    watch = Stopwatch(most_steps=problem.n_examples // problem.settings.batch_size, most_seconds=NO_LIMIT)
    train_block(problem, runs, watch, watch.enough)
    return watch.seconds / watch.steps


def _page(
    facts: dict[str, str], options: argparse.Namespace, steps: Sequence[Steps], work: Work, seconds: float
) -> Iterator[str]:
    yield f"# Stacked runs on {facts['processor']}, {facts['cores']} cores"
    yield ""
    yield (
        f"Written by `python -m benchmarks.stacks --backend {options.backend}` on {datetime.now(UTC):%Y-%m-%d}: "
        f"784-300-10 on MNIST, epochs of steps, medians and quartiles of {options.rounds}."
    )
    yield ""
    yield ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + "."
    yield ""
    yield from table(steps)
    yield ""
    yield (
        f"Table 4, {work.grid_size} runs of {EPOCHS} epochs with batches of {work.batch}, reading the data and "
        f"starting the backend included: {seconds:.1f} s."
    )


def table(steps: Sequence[Steps]) -> Iterator[str]:
    """Yield the lines of a table: a row for each batch size, two columns for each stack."""
    stacked = list(steps[0].spreads)[1:]
    yield "| batch | a step of one run, µs |" + "".join(f" of {runs} stacked, µs | ratio |" for runs in stacked)
    yield "|---:|---:|" + "---:|---:|" * len(stacked)
    for one in steps:
        cells = "".join(f" {_time(one.spreads[runs])} | {one.ratio(runs):.2f} |" for runs in stacked)
        yield f"| {one.batch} | {_time(one.spreads[1])} |{cells}"


def _time(spread: Spread) -> str:
    return f"{1e6 * spread.median:.1f} ({1e6 * spread.low:.1f} to {1e6 * spread.high:.1f})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacks", description=__doc__)
    parser.add_argument("--backend", default="cupy", choices=["cupy", "torch", "jax", "numpy"], help="[default: cupy]")
    parser.add_argument("--device", help="as the backend names it [default: the first GPU; of numpy the CPU]")
    parser.add_argument(
        "--runs", type=int, nargs="+", default=[20], help="in a stack, several to compare [default: 20]"
    )
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each [default: 3]")
    parser.add_argument("--out", type=Path, help="the folder to write [default: benchmarks/results/<machine>]")
    options = parser.parse_args(arguments)
    options.device = options.device or GPU.get(options.backend)
    return options


if __name__ == "__main__":
    sys.exit(main())
