"""Many runs stacked into one tensor beside one alone, and the coursework's Table 4: ``python -m benchmarks.stacks``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants.ours import GPU
from benchmarks.machine import machine, slug
from benchmarks.measure import Spread
from benchmarks.peers import RESULTS
from benchmarks.works import WORKS, Work
from xpmlp._files import write_text
from xpmlp.bench import Stopwatch
from xpmlp.grid import train_grid
from xpmlp.training.loop import train_block
from xpmlp.training.problem import Problem
from xpmlp.training.run import RunSettings
from xpmlp.training.trainer import resolve_configured

BATCHES = ("batch-1", "batch-32", "batch-256")

EPOCHS = 5
"""Of Table 4."""

NO_LIMIT = 10_000
"""Seconds in which an epoch has ended on any machine."""


class Pair(NamedTuple):
    """A step of one run, and one of all runs in a stack, in seconds."""

    batch: int
    one: Spread
    stack: Spread

    @property
    def ratio(self) -> float:
        """How many times as long the stack takes."""
        return self.stack.median / self.one.median


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = _options(arguments)
    facts = machine()
    pairs = [_measured(WORKS[name], options) for name in BATCHES]
    work = WORKS["grid"]
    config = work.grid_config(options.backend, options.device, 1)
    config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": EPOCHS})})
    started = time.perf_counter()
    losses = [run.epochs[-1].validation_loss for run in train_grid(config).runs]
    seconds = time.perf_counter() - started
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_page(facts, options, pairs, work, seconds)) + "\n"
    write_text(folder / f"stacks-{options.backend}.md", text)
    saved = {
        "machine": facts,
        "backend": options.backend,
        "device": options.device,
        "runs": options.runs,
        "rounds": options.rounds,
        "steps": [{"batch": one.batch, "one": one.one, "stack": one.stack, "ratio": one.ratio} for one in pairs],
        "table_4": {"runs": work.grid_size, "epochs": EPOCHS, "seconds": seconds, "validation_losses": losses},
    }
    write_text(folder / f"stacks-{options.backend}.json", json.dumps(saved, indent=1) + "\n")
    print(text)
    return 0


def _measured(work: Work, options: argparse.Namespace) -> Pair:
    """Time epochs of one run, then of the stack, each after one that is not counted and in a session of its own."""
    config = work.config(options.backend, options.device)
    problem = Problem(config, work.dataset(), resolve_configured(config.backend).backend)
    alone = [RunSettings.of(config.train)]
    rates = work.grid_learning_rates
    stack = [alone[0]._replace(seed=run, learning_rate=rates[run % len(rates)]) for run in range(options.runs)]
    one, many = (_rounds(problem, runs, options.rounds) for runs in (alone, stack))
    return Pair(work.batch, one, many)


def _rounds(problem: Problem, runs: Sequence[RunSettings], rounds: int) -> Spread:
    with problem.backend.session(problem.rows_at_once):
        return Spread.of([_epoch(problem, runs) for _ in range(rounds + 1)][1:])


def _epoch(problem: Problem, runs: Sequence[RunSettings]) -> float:
    """The seconds of a step, through an epoch."""
    watch = Stopwatch(most_steps=problem.n_examples // problem.plan.batch_size, most_seconds=NO_LIMIT)
    train_block(problem, runs, watch, watch.enough)
    return watch.seconds / watch.steps


def _page(
    facts: dict[str, str], options: argparse.Namespace, pairs: Sequence[Pair], work: Work, seconds: float
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
    yield f"| batch | a step of one run, µs | of {options.runs} stacked, µs | ratio |"
    yield "|---:|---:|---:|---:|"
    for pair in pairs:
        yield f"| {pair.batch} | {_time(pair.one)} | {_time(pair.stack)} | {pair.ratio:.2f} |"
    yield ""
    yield (
        f"Table 4, {work.grid_size} runs of {EPOCHS} epochs with batches of {work.batch}, reading the data and "
        f"starting the backend included: {seconds:.1f} s."
    )


def _time(spread: Spread) -> str:
    return f"{1e6 * spread.median:.1f} ({1e6 * spread.low:.1f} to {1e6 * spread.high:.1f})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacks", description=__doc__)
    parser.add_argument("--backend", default="cupy", choices=["cupy", "torch", "jax", "numpy"], help="[default: cupy]")
    parser.add_argument("--device", help="as the backend names it [default: the first GPU; of numpy the CPU]")
    parser.add_argument("--runs", type=int, default=20, help="in a stack [default: 20]")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each [default: 3]")
    parser.add_argument("--out", type=Path, help="the folder to write [default: benchmarks/results/<machine>]")
    options = parser.parse_args(arguments)
    options.device = options.device or GPU.get(options.backend)
    return options


if __name__ == "__main__":
    sys.exit(main())
