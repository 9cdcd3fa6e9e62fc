"""Time of ``xpmlp train`` outside its training loop, and its memory: ``python -m benchmarks.process``.

The whole process is compared with the time of its training loop plus the time of its imports.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import machine, slug
from benchmarks.measure import Spread
from benchmarks.peers import RESULTS
from xpmlp._files import write_text

ROOT = Path(__file__).parents[1]


class Process(NamedTuple):
    """A finished training.

    Attributes
    ----------
    seconds : float
        Time from the start of the process to its end.
    loop : float
        Time of its training loop, with validation, as reported by itself.
    peak_memory : int
        Its peak memory in bytes.
    """

    seconds: float
    loop: float
    peak_memory: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    facts = machine()
    train = ["train", str(options.config), "--quiet", "--set", f"train.epochs={options.epochs}"]
    processes = [_run(train) for _ in range(options.rounds)]
    imports = [_seconds_of_imports([*train, "--set", "train.epochs=1"]) for _ in range(options.rounds)]
    figures = {
        "whole process, s": Spread.of([one.seconds for one in processes]),
        "training loop, s": Spread.of([one.loop for one in processes]),
        "imports, s": Spread.of(imports),
        "peak memory, MB": Spread.of([one.peak_memory / 1e6 for one in processes]),
    }
    whole, loop, importing = (figures[f"{name}, s"].median for name in ("whole process", "training loop", "imports"))
    ratio = whole / (loop + importing)
    command = f"xpmlp train {options.config.name} --set train.epochs={options.epochs}"
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_page(facts, command, figures, ratio, options.rounds)) + "\n"
    write_text(folder / "process.md", text)
    values = {name: spread._asdict() for name, spread in figures.items()}
    saved = {"machine": facts, "command": command, "rounds": options.rounds, **values, "ratio": ratio}
    write_text(folder / "process.json", json.dumps(saved, indent=1) + "\n")
    print(text)
    return 0


def _run(command: Sequence[str]) -> Process:
    """Train in a new process and measure it; of the memory, `wait4` counts little of the parent's."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "xpmlp", *command, "--out", f"{folder}/run"], env=_environment()
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"xpmlp {' '.join(command)} failed with status {process.returncode}")
        facts = json.loads(Path(folder, "run", "run.json").read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return Process(seconds, facts["seconds"]["training"], unit * usage.ru_maxrss)


def _seconds_of_imports(command: Sequence[str]) -> float:
    """Return the total time of a training's imports, each by itself, as counted by Python."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "xpmlp", *command, "--out", f"{folder}/run"],
            env=_environment(),
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    lines = (line.removeprefix("import time:").split("|")[0].strip() for line in done.stderr.splitlines())
    return sum(int(own) for own in lines if own.isdigit()) / 1e6


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _page(facts: dict[str, str], command: str, figures: dict[str, Spread], ratio: float, rounds: int) -> list[str]:
    return [
        f"# A whole training process on {facts['processor']}, {facts['cores']} cores",
        "",
        f"Written by `python -m benchmarks.process` on {datetime.now(UTC):%Y-%m-%d}: `{command}`, "
        f"medians and quartiles of {rounds}.",
        "",
        ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + ".",
        "",
        "|  | median | quartiles |",
        "|---|---:|---:|",
        *(f"| {name} | {one.median:.2f} | {one.low:.2f} to {one.high:.2f} |" for name, one in figures.items()),
        f"| whole process / (training loop + imports) | {ratio:.2f} | |",
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.process", description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "mnist.toml", help="[default: MNIST]")
    parser.add_argument("--epochs", type=int, default=5, help="[default: 5]")
    parser.add_argument("--rounds", type=int, default=3, help="trainings [default: 3]")
    parser.add_argument("--out", type=Path, help="the folder to write [default: benchmarks/results/<machine>]")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
