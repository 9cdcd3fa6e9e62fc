"""Kill trainings and resume them: ``python -m benchmarks.kill_harness``.

Each time a real ``xpmlp train`` is killed at a random moment, by SIGKILL, which it cannot catch, and resumed by
``xpmlp resume``.  Its files must be bit for bit those of an uninterrupted training.  The moments are uniform over the
steps of the training, or, for a part of the kills, within the writing of a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.watched import MICROSECONDS, STEPS, WRITING, WRITTEN, board
from xpmlp._files import write_text
from xpmlp.report.environment import environment

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "quickstart.toml"
RESULTS = ROOT / "benchmarks" / "results"

COMMON = {
    "train.epochs": 6,
    "train.segment_steps": 1,
    "model.hidden_layer_sizes": [128],
    "output.checkpoint_every": "5 steps",
    "output.plots": False,
}
"""A small training with many checkpoints: 246 steps, with a checkpoint after 50 of them."""

TRAININGS: dict[str, dict[str, object]] = {
    "sgd, cosine": {"train.optimizer": "sgd", "train.learning_rate": 0.1, "train.schedule": "cosine"},
    "momentum": {"train.optimizer": "momentum", "train.learning_rate": 0.02},
    "adam, early stopping": {"data.split": "three-way", "train.patience": 1, "train.min_improvement": 0.03},
    "adam, dropout": {"model.dropout": 0.2},
    "torch": {"backend.name": "torch", "backend.threads": 1},
    "jax": {"backend.name": "jax"},
    "grid of stacked runs": {"train.optimizer": "momentum", "grid.runs": 3, "grid.block_width": 2, "grid.workers": 1},
}
"""The changes of each training to the config; the trainings take turns."""

MOST_ATTEMPTS = 20
"""Maximum number of attempts at a moment: the checkpoint may be written, or the training over, before the process dies.
"""


@dataclass(frozen=True)
class Kill:
    """A killed training.

    Attributes
    ----------
    training : str
    aim : str
        The moment drawn for the kill.
    step : int
        Number of steps done when it died.
    while_writing : bool
        Whether it died while it wrote a checkpoint.
    resumed : str
        The program's notes on where it resumed.
    different : list of str
        The files that differ from those of the uninterrupted training.
    """

    training: str
    aim: str
    step: int
    while_writing: bool
    resumed: str
    different: list[str]


class Harness:
    """Trainings, uninterrupted and killed, in a folder.

    Parameters
    ----------
    folder : Path
    trainings : mapping
        The changes to the config, by name.
    """

    def __init__(self, folder: Path, trainings: Mapping[str, Mapping[str, object]]) -> None:
        self.folder = folder
        self.options = {name: _options({**COMMON, **changes}) for name, changes in trainings.items()}
        self.boards: dict[str, list[int]] = {}

    def uninterrupted(self, training: str) -> Path:
        """Return the folder of the uninterrupted training, which is trained once."""
        out = self.folder / f"whole {training}"
        if not out.exists():
            shown = self._fresh_board()
            _succeed(self._start(shown, "train", CONFIG, *self.options[training], "--out", out))
            self.boards[training] = board(shown).tolist()
        return out

    def kill(self, training: str, rng: random.Random, *, while_writing: bool) -> Kill:
        """Kill a training at a random step, or while it writes a random checkpoint, and resume it."""
        whole = self.uninterrupted(training)
        counts = self.boards[training]
        steps, checkpoints = counts[STEPS], counts[WRITTEN]
        writing = 1e-6 * counts[MICROSECONDS] / checkpoints
        if while_writing:
            number = rng.randrange(checkpoints)
            aim = f"checkpoint {number + 1} of {checkpoints}"

            def reached(shown: Sequence[int]) -> bool:
                return shown[WRITTEN] >= number and shown[WRITING] == 1
        else:
            step = rng.randint(1, steps)
            aim = f"step {step} of {steps}"

            def reached(shown: Sequence[int]) -> bool:
                return shown[STEPS] >= step

        for _ in range(MOST_ATTEMPTS):
            out, shown = self.folder / "killed", self._fresh_board()
            process = self._start(shown, "train", CONFIG, *self.options[training], "--out", out, "--overwrite")
            found = _kill_when(process, shown, reached, rng.uniform(0, writing) if while_writing else 0.0)
            if found is not None and (not while_writing or found[WRITING] == 1):
                break
        else:
            raise RuntimeError(f"{training} was never killed at {aim}")
        resumed = _succeed(self._start(self._fresh_board(), "resume", out)).replace(str(out), "the folder")
        notes = [line for line in resumed.splitlines() if line.startswith(("resuming", "there is", "nothing"))]
        return Kill(training, aim, found[STEPS], found[WRITING] == 1, "; ".join(notes), _different(out, whole))

    def _start(self, shown: Path, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.watched", str(shown), *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def _fresh_board(self) -> Path:
        path = self.folder / "board"
        path.unlink(missing_ok=True)
        board(path)
        return path


def _different(folder: Path, other: Path) -> list[str]:
    """List the files that differ between two folders."""
    one, two = _results(folder), _results(other)
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def _results(folder: Path) -> dict[str, bytes]:
    """Read all results of a training except its time in ``run.json``."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if path.name not in ("run.json", ".lock") and not name.startswith("checkpoints/")
    }


def _options(changes: Mapping[str, object]) -> list[str]:
    return [part for key, value in changes.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def _succeed(process: subprocess.Popen[str]) -> str:
    """Return the output of a process, which must succeed."""
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}: {err}")
    return out


def _kill_when(
    process: subprocess.Popen[str], shown: Path, reached: Callable[[Sequence[int]], bool], delay: float
) -> list[int] | None:
    """Kill a process ``delay`` seconds after a moment; return its board, or ``None`` if it ended before."""
    numbers = board(shown)
    while not reached(numbers):
        if process.poll() is not None:
            _succeed(process)
            return None
        time.sleep(5e-5)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return [int(number) for number in numbers] if process.returncode == -signal.SIGKILL else None


def run(kills: int, within_writing: int, trainings: Mapping[str, Mapping[str, object]], seed: int) -> list[Kill]:
    """Kill this many trainings, ``within_writing`` of them while they write a checkpoint."""
    rng, done = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder), trainings)
        names = list(trainings)
        for number in range(kills):
            training, aimed = names[number % len(names)], number < within_writing
            done.append(harness.kill(training, rng, while_writing=aimed))
            print(f"{number + 1:3d} {done[-1].training}: killed at {done[-1].aim}; {done[-1].resumed}", flush=True)
    return done


def as_markdown(kills: Sequence[Kill], facts: Mapping[str, str], seconds: float) -> str:
    """Format the log."""
    equal = sum(not kill.different for kill in kills)
    lines = [
        "# Trainings that were killed and resumed",
        "",
        f"**{equal} of {len(kills)}** ended bitwise as the training that was never interrupted: every file but "
        f"`run.json`, which says how long it took. {sum(kill.while_writing for kill in kills)} of them died within the "
        f"writing of a checkpoint. Made in {seconds:.0f} s by `python -m benchmarks.kill_harness`.",
        "",
        *(f"- {name}: {text}" for name, text in facts.items()),
        "",
        "| | training | aim | died after step | writing | then | bitwise |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {number} | {kill.training} | {kill.aim} | {kill.step} | {'yes' if kill.while_writing else ''} | "
            f"{kill.resumed} | {', '.join(kill.different) or 'equal'} |"
            for number, kill in enumerate(kills, start=1)
        ),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, compare and write the log; return 1 if anything differed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_harness", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--within-writing", type=int, default=15, help="so many of them while a checkpoint is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="a folder for kill_harness.json and .md")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    kills = run(options.kills, options.within_writing, TRAININGS, options.seed)
    seconds = time.monotonic() - started
    facts = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **environment()}
    options.out.mkdir(parents=True, exist_ok=True)
    record = {
        "facts": facts,
        "seconds": round(seconds),
        "seed": options.seed,
        "kills": [asdict(kill) for kill in kills],
    }
    write_text(options.out / "kill_harness.json", json.dumps(record, indent=1) + "\n")
    write_text(options.out / "kill_harness.md", as_markdown(kills, facts, seconds))
    different = sum(bool(kill.different) for kill in kills)
    print(f"{len(kills) - different} of {len(kills)} ended bitwise equal")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
