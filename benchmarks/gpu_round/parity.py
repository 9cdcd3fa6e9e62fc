"""Parity: the GPU agrees with the CPU, with a reference and with itself, and uses TF32 only if asked."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants.ours import GPU
from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.gpu_round.gpus import REQUIRED, on_the_gpu
from benchmarks.gpu_round.made_table import table_overrides
from benchmarks.works import WORKS
from xpmlp.backend import Backend, resolve
from xpmlp.bench import Stopwatch
from xpmlp.config import load_config
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.verify import REFERENCE, Verification, parse_candidates, verify, write_files
from xpmlp.verify.quantities import relative_difference
from xpmlp.verify.tolerances import PRODUCTS

CONFIGS = Path(__file__).parents[2] / "configs"

STEPS = 100

TABLE_STEPS = 5
"""Steps of the recipe for tables, whose reference takes finite differences through five members."""


def verify_quickstart(findings: Findings, surroundings: Surroundings) -> None:
    """Verify ``configs/quickstart.toml``, as ``xpmlp verify`` does."""
    _verify("quickstart", STEPS, findings, surroundings)


def verify_mnist(findings: Findings, surroundings: Surroundings) -> None:
    """Verify ``configs/mnist.toml``, as ``xpmlp verify`` does."""
    _verify("mnist", STEPS, findings, surroundings)


def verify_table(findings: Findings, surroundings: Surroundings) -> None:
    """Verify the recipe for tables: embeddings, parametric activations, dropout and five folds."""
    _verify("table", TABLE_STEPS, findings, surroundings, table_overrides(surroundings, rows=400))


def _verify(
    name: str, steps: int, findings: Findings, surroundings: Surroundings, overrides: Mapping[str, Any] | None = None
) -> None:
    if overrides is None:
        overrides = {"data.name": "digits"} if surroundings.stand_in else {}
    config = load_config(CONFIGS / f"{name}.toml", overrides=overrides)
    labels = [f"{backend}:{GPU[backend]}" for backend in on_the_gpu(findings, surroundings)]
    steps = min(steps, 10) if surroundings.stand_in else steps
    result = verify(config, parse_candidates(",".join(["numpy", *labels])), steps=steps)
    write_files(result, surroundings.work, findings.miss)
    findings.keep("verify", json.loads((surroundings.work / "verify.json").read_text()))
    for dtype in ("float64", "float32"):
        _table(result, dtype, findings)
    for label, dtype, reason in result.unsupported:
        findings.miss(f"{label} in {dtype}: {reason}")
    for one in result.participants:
        what = f"{one.label}, {one.dtype}"
        findings.judge(
            f"{what}: two runs gave {'the same' if one.repeatable else 'different'} bits.", holds=one.repeatable
        )
        findings.judge(f"{what}: a product was off by {one.product_error:.0e}.", holds=one.full_products)
    if result.failure is None:
        findings.see(f"{name}.toml: every difference that is judged is within what is allowed.")
    else:
        findings.fail(f"{name}.toml: {result.failure}")


def _table(result: Verification, dtype: str, findings: Findings) -> None:
    """Record the largest differences from the reference, with those that are not judged in parentheses."""
    differences = [one for one in result.differences if one.dtype == dtype and one.base == REFERENCE]
    labels = list(dict.fromkeys(one.backend for one in differences))

    def largest(label: str, step: int) -> str:
        among = [one for one in differences if one.backend == label and one.step == step]
        worst = max(among, key=lambda one: one.value)
        return f"{worst.value:.1e}" if worst.tolerance is not None else f"({worst.value:.1e})"

    rows = [[step, *(largest(label, step) for label in labels)] for step in sorted({one.step for one in differences})]
    findings.table([f"from the reference, {dtype}, step", *labels], rows)


def same_bits(findings: Findings, surroundings: Surroundings) -> None:
    """Train twice in each of two processes, and compare all bits of weights and losses."""
    names = ["digits"] if surroundings.stand_in else ["batch-1", "batch-32", "deep"]
    spawn = multiprocessing.get_context("spawn")
    for backend in on_the_gpu(findings, surroundings):
        told = []
        for _ in range(2):
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                told.append(pool.submit(_bits, backend, names).result())
        for name, (one, again), (other, _) in zip(names, *told, strict=True):
            title = f"{backend}, {WORKS[name].title}"
            findings.judge(f"{title}: {_equal(one == again)} bits in one process.", holds=one == again)
            across = f"{title}: {_equal(one == other)} bits in another process"
            if one == other or backend != "jax":
                findings.judge(f"{across}.", holds=one == other)
            else:  # it may choose other kernels: see docs/parity.md
                findings.see(f"{across}, which is not promised.")


def _equal(equal: bool) -> str:
    return "the same" if equal else "different"


def _bits(backend_name: str, names: list[str]) -> list[tuple[str, str]]:
    """Return the digests of two trainings through the first steps of each work."""
    backend = resolve(backend_name, GPU[backend_name]).backend
    return [(_digest(backend, name), _digest(backend, name)) for name in names]


def _digest(backend: Backend, name: str) -> str:
    work, watch = WORKS[name], Stopwatch(most_steps=WORKS[name].steps)
    config = work.config(backend.name, GPU[backend.name])
    problem = ConfigTrainable(config, work.dataset(), backend)
    with backend.session(problem.rows_at_once):
        (run,) = train_block(problem, [RunSettings.of(config.train)], watch, watch.enough)
        digest = hashlib.sha256(np.ascontiguousarray(run.losses).tobytes())
        for layer in run.parameters or []:
            for leaf in layer:
                digest.update(np.ascontiguousarray(backend.to_numpy(leaf)).tobytes())
    return digest.hexdigest()


def tf32(findings: Findings, surroundings: Surroundings) -> None:
    """Record the errors of float32 products with and without TF32."""
    rows = []
    for name in on_the_gpu(findings, surroundings):
        for allowed in (False, True):
            backend = resolve(name, GPU[name], "float32", tf32=allowed).backend
            errors = _product_errors(backend)
            rows.append([f"{name}, TF32 {'on' if allowed else 'off'}", *(f"{error:.1e}" for error in errors.values())])
            rounded = max(errors.values()) > PRODUCTS["float32"]
            if not allowed:
                findings.judge(
                    f"{name}: TF32 is {'on' if rounded else 'off'} without being asked for.", holds=not rounded
                )
            elif name == REQUIRED and not surroundings.stand_in and int(backend.device.compute_capability) >= 80:
                findings.judge(
                    f"{name}: TF32 {'rounds' if rounded else 'rounds no'} products if asked for.", holds=rounded
                )
            else:
                findings.see(f"{name}: with TF32 allowed, products are {'rounded' if rounded else 'in full'}.")
    findings.table(["the error of a product", "a @ b", "ops.affine"], rows)


def _product_errors(backend: Backend) -> dict[str, float]:
    """Return the errors of the library's product, and of the product in a step."""
    left, right = np.random.default_rng(0).uniform(-1, 1, (2, 256, 256)).astype(np.float32)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    with backend.session(256):
        a, b, zeros = (backend.asarray(one, backend.dtype) for one in (left, right, np.zeros((1, 256), np.float32)))
        products: dict[str, Any] = {"a @ b": a @ b, "ops.affine": backend.ops.affine(a, b, zeros)}
        return {name: relative_difference(backend.to_numpy(one), exact) for name, one in products.items()}
