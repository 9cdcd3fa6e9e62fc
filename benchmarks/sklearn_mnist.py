"""`MLPClassifier` on MNIST, ours and scikit-learn's: ``python -m benchmarks.sklearn_mnist``.

Both have default parameters except for ``max_iter=10``, and get NumPy arrays.  The contestants take turns, back and
forth; in its turn a contestant is fitted to all training images, in a new process, and scored on the test images.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.machine import machine, slug
from benchmarks.measure import Spread
from benchmarks.peers import RESULTS
from xpmlp._files import write_text
from xpmlp.data import load

ROOT = Path(__file__).parents[1]

Contestant = tuple[str, str]
"""A library and a dtype."""

TARGETS = {"float32": 0.5, "float64": 0.75}
"""Upper bounds on our time relative to scikit-learn's in the same dtype."""

MODULES = {"xpmlp": "xpmlp", "scikit-learn": "sklearn.neural_network"}
"""The module of each `MLPClassifier`."""

CONTESTANTS: list[Contestant] = [(name, dtype) for dtype in TARGETS for name in MODULES]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    if options.fit is not None:
        name, dtype = options.fit
        print(json.dumps(fit(name, dtype, options.examples, options.epochs, options.seed)))
        return 0
    facts = machine()
    seconds: dict[Contestant, list[float]] = {key: [] for key in CONTESTANTS}
    accuracies: dict[Contestant, list[float]] = {key: [] for key in CONTESTANTS}
    for round_number in range(options.rounds):
        for key in CONTESTANTS if round_number % 2 == 0 else reversed(CONTESTANTS):
            took, accuracy = _fit_in_a_process(key, options, seed=round_number)
            seconds[key].append(took)
            accuracies[key].append(accuracy)
            print(f"round {round_number + 1}: {' '.join(key)}: {took:.2f} s, accuracy {accuracy:.4f}", flush=True)
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_page(facts, options, seconds, accuracies)) + "\n"
    write_text(folder / "sklearn_mnist.md", text)
    saved = {
        "machine": facts,
        "epochs": options.epochs,
        "examples": options.examples or "all",
        "contestants": [
            {"name": name, "dtype": dtype, "seconds": seconds[name, dtype], "accuracies": accuracies[name, dtype]}
            for name, dtype in CONTESTANTS
        ],
    }
    write_text(folder / "sklearn_mnist.json", json.dumps(saved, indent=1) + "\n")
    print(text)
    return 0


def fit(name: str, dtype: str, examples: int | None, epochs: int, seed: int) -> tuple[float, float]:
    """Return the seconds of a fit to MNIST, with pixels from 0 to 1, and the accuracy on the test images."""
    dataset = load("mnist", split="test")
    assert dataset.test is not None
    train, test = (
        (part.features * dataset.preprocessing.scale).astype(dtype) for part in (dataset.train, dataset.test)
    )
    estimator = importlib.import_module(MODULES[name]).MLPClassifier(max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        estimator.fit(train[:examples], dataset.train.targets[:examples])
        took = time.perf_counter() - started
    return took, float(estimator.score(test, dataset.test.targets))


def _fit_in_a_process(key: Contestant, options: argparse.Namespace, seed: int) -> tuple[float, float]:
    """Call `fit` in a new process, where no setting of another contestant, such as for its memory, is in force."""
    command = [sys.executable, "-m", "benchmarks.sklearn_mnist", "--fit", *key, "--seed", str(seed)]
    command += ["--epochs", str(options.epochs)]
    if options.examples is not None:
        command += ["--examples", str(options.examples)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True, check=True)
    took, accuracy = json.loads(done.stdout)
    return took, accuracy


def _page(
    facts: dict[str, str],
    options: argparse.Namespace,
    seconds: dict[Contestant, list[float]],
    accuracies: dict[Contestant, list[float]],
) -> list[str]:
    rows = []
    for dtype, target in TARGETS.items():
        ours, theirs = (Spread.of(seconds[name, dtype]) for name in ("xpmlp", "scikit-learn"))
        for name, spread in (("xpmlp", ours), ("scikit-learn", theirs)):
            accuracy = np.mean(accuracies[name, dtype])
            rows.append(
                f"| {name}, {dtype} | {spread.median:.2f} | {spread.low:.2f} to {spread.high:.2f} | {accuracy:.4f} |"
            )
        apart = np.mean(accuracies["xpmlp", dtype]) - np.mean(accuracies["scikit-learn", dtype])
        rows.append(f"| ratio (aim: at most {target}), {dtype} | {ours.median / theirs.median:.2f} | | {apart:+.4f} |")
    return [
        f"# MLPClassifier on MNIST on {facts['processor']}, {facts['cores']} cores",
        "",
        f"Written by `python -m benchmarks.sklearn_mnist` on {datetime.now(UTC):%Y-%m-%d}: default parameters but "
        f"`max_iter={options.epochs}`, {'all' if options.examples is None else f'the first {options.examples:,}'} "
        f"training images, NumPy. Medians and quartiles of {options.rounds} fits, by turns; accuracy on the test "
        "images, the mean; a round has one random_state for all.",
        "",
        ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + ".",
        "",
        "|  | seconds | quartiles | accuracy |",
        "|---|---:|---:|---:|",
        *rows,
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sklearn_mnist", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="fits of each [default: 3]")
    parser.add_argument("--epochs", type=int, default=10, help="max_iter [default: 10]")
    parser.add_argument("--examples", type=int, help="training images [default: all]")
    parser.add_argument("--fit", nargs=2, metavar=("NAME", "DTYPE"), help="fit one of them once, and nothing else")
    parser.add_argument("--seed", type=int, default=0, help="random_state, with --fit [default: 0]")
    parser.add_argument("--out", type=Path, help="the folder to write [default: benchmarks/results/<machine>]")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
