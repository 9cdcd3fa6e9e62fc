"""A whole training on the GPU, held against the same on NumPy."""

from __future__ import annotations

import json
import time

import xpmlp
from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.gpu_round.parity import CONFIGS

LOSS, ACCURACY = 1e-3, 2e-3
"""How far the last validation loss (relative) and accuracy may be from NumPy's: rounding, grown over all steps."""


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
