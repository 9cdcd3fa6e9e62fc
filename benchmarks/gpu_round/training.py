"""Whole trainings on the GPU, compared with the same on NumPy."""

from __future__ import annotations

import json
import time

import xpmlp
from benchmarks.contestants.ours import GPU
from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.gpu_round.gpus import on_the_gpu
from benchmarks.gpu_round.made_table import table_overrides
from benchmarks.gpu_round.parity import CONFIGS

LOSS, ACCURACY = 1e-3, 2e-3
"""Maximum differences of the last validation loss (relative) and accuracy from NumPy's: rounding grows over the steps.
"""


def mnist_cupy(findings: Findings, surroundings: Surroundings) -> None:
    """Train ``mnist-cupy.toml`` twice, the second time with everything loaded and compiled, and ``mnist.toml``."""
    small = {"data.name": "digits", "train.epochs": 1} if surroundings.stand_in else {}
    rows, last = [], {}
    for title, name in {"CuPy": "mnist-cupy", "CuPy again": "mnist-cupy", "NumPy": "mnist"}.items():
        out = surroundings.work / title.replace(" ", "-")
        started = time.perf_counter()
        result = xpmlp.train(xpmlp.load_config(CONFIGS / f"{name}.toml", overrides=small), out=out, overwrite=True)
        seconds = time.perf_counter() - started
        facts = json.loads((out / "run.json").read_text())
        loss, accuracy = (
            float(values[-1]) for values in (result.history.validation_loss, result.history.validation_value)
        )
        last[title] = loss, accuracy
        trained = facts["steps"] * facts["batch_size"] / facts["seconds"]["training"]
        rows.append([title, f"{loss:.4f}", f"{accuracy:.4f}", f"{seconds:.1f}", f"{trained:,.0f}"])
        findings.keep(title, facts)
    header = ["", "validation loss", "accuracy", "s in all", "examples/s in the loop"]
    findings.table(header, rows)
    (loss, accuracy), (expected_loss, expected_accuracy) = last["CuPy"], last["NumPy"]
    close = abs(loss - expected_loss) <= LOSS * expected_loss and abs(accuracy - expected_accuracy) <= ACCURACY
    findings.judge(
        f"It ends at a validation loss of {loss:.4f} and an accuracy of {accuracy:.4f}, NumPy at "
        f"{expected_loss:.4f} and {expected_accuracy:.4f}.",
        holds=close,
    )
    findings.judge("Both trainings on CuPy end alike.", holds=last["CuPy"] == last["CuPy again"])


TABLE_LOSS = 0.05
"""Maximum relative difference of the loss of five members from NumPy's, as their best epochs may differ."""


def table(findings: Findings, surroundings: Surroundings) -> None:
    """Train the recipe for tables on each library that supports the GPU, twice, and on NumPy."""
    data = table_overrides(surroundings, rows=4000)
    rows, losses = [], {}
    places = [(name, GPU[name], again) for name in on_the_gpu(findings, surroundings) for again in ("", " again")]
    for name, device, again in [*places, ("numpy", "cpu", "")]:
        given = data | {"train.epochs": 2 if surroundings.stand_in else 32, "output.plots": False}
        config = xpmlp.load_config("xpmlp:table.toml", given | {"backend.name": name, "backend.device": device})
        started = time.perf_counter()
        result = xpmlp.train(config)
        seconds = time.perf_counter() - started
        losses[name + again] = loss = float(result.run.best_loss)
        rows.append([name + again, f"{loss:.4f}", f"{seconds:.1f}"])
    findings.table(["", "loss on the folds left out", "s in all"], rows)
    for name, _, again in places:
        if again:
            findings.judge(f"Both trainings on {name} end alike.", holds=losses[name] == losses[name + again])
            close = abs(losses[name] - losses["numpy"]) <= TABLE_LOSS * losses["numpy"]
            sentence = (
                f"A table's recipe ends at a loss of {losses[name]:.4f} on {name}, {losses['numpy']:.4f} on NumPy."
            )
            findings.judge(sentence, holds=close or surroundings.stand_in)
