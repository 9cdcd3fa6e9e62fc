"""The GPU's memory, freed and exhausted; and a missing device."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import sys
from collections.abc import Iterator

import numpy as np

import xpmlp
from benchmarks.contestants.ours import GPU
from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.gpu_round.gpus import REQUIRED, on_the_gpu
from benchmarks.gpu_round.parity import CONFIGS
from xpmlp.backend import Backend, resolve
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, TrainConfig
from xpmlp.errors import BackendError

KEPT_BYTES = 8 * 2**20
"""Memory that libraries may keep between two trainings."""

TRAININGS = 3


def devices(findings: Findings, surroundings: Surroundings) -> None:
    """Ask for one GPU more than there are: this gives one sentence, and exit status 2."""
    for name in on_the_gpu(findings, surroundings):
        kind = GPU[name].partition(":")[0]
        there = [device for device in resolve(name, GPU[name]).backend.devices() if device.startswith(kind)]
        absent = f"{kind}:{len(there)}"
        status, said = _command("train", CONFIGS / "quickstart.toml", "--backend", name, "--device", absent)
        last = (said.strip().splitlines() or [""])[-1]  # a library may have warned before
        refused = status == 2 and last.startswith("error: ") and absent in last and "Traceback" not in said
        findings.judge(f"{name}, {absent}: status {status}, {said.strip()}", holds=refused)


def _command(*arguments: object) -> tuple[int, str]:
    """Run ``xpmlp`` in this process; return its exit status and its standard error."""
    from xpmlp.cli import main

    before, said = sys.argv, io.StringIO()
    sys.argv = ["xpmlp", *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(said):
            main()
    except SystemExit as ended:
        return int(ended.code or 0), said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


def memory(findings: Findings, surroundings: Surroundings) -> None:
    """Check that a training frees its memory, and reports if it finds none."""
    names = on_the_gpu(findings, surroundings)
    _freed(names, findings, surroundings)
    if REQUIRED in names:
        _out_of_memory(findings, surroundings)


def _freed(names: list[str], findings: Findings, surroundings: Surroundings) -> None:
    """Train, and compare the free memory with that after a first training, which loads the libraries."""
    for name in names:
        backend = resolve(name, GPU[name]).backend
        if backend.memory.free() is None:
            findings.miss(f"{name}: it does not tell how much memory is free.")
            continue
        free = []
        for _ in range(1 + TRAININGS):
            _train(name, 256 if surroundings.stand_in else 2048)
            gc.collect()
            free.append(backend.memory.free() or 0)
        lost = free[0] - free[-1]
        findings.keep(name, free)
        findings.judge(
            f"{name}: after {TRAININGS} more trainings {lost / 2**20:.1f} MiB less are free.", holds=lost <= KEPT_BYTES
        )


def _out_of_memory(findings: Findings, surroundings: Surroundings) -> None:
    """Leave too little memory on the GPU; the training reports it, and afterwards everything is as before."""
    backend = resolve(REQUIRED, GPU[REQUIRED]).backend
    width = 512 if surroundings.stand_in else 8192
    before = _train(REQUIRED, width)
    with _filled(backend, 4 * width**2 // 2):  # half of the largest weights
        try:
            _train(REQUIRED, width)
        except (BackendError, MemoryError) as error:
            findings.judge(f"Said: {error}", holds="ran out of memory" in str(error) and "\n" not in str(error))
        else:
            findings.fail("A training that does not fit into the free memory ended as if it did.")
    gc.collect()
    same = _train(REQUIRED, width) == before
    findings.judge(
        f"Afterwards the training runs, and gives {'the same' if same else 'other'} bits as before.", holds=same
    )


@contextlib.contextmanager
def _filled(backend: Backend, rest: int) -> Iterator[None]:
    """Take all memory of the GPU but for ``rest`` bytes."""
    import cupy

    filler, size = [], max(rest // 2, 1)
    with backend.session(1):
        while (backend.memory.free() or 0) > rest:
            take = max(((backend.memory.free() or 0) - rest) // 2, size)
            try:
                filler.append(cupy.empty(take, "uint8"))
            except MemoryError:
                if take == size:
                    break
    yield
    del filler


def _train(name: str, width: int) -> str:
    """Train two hidden layers of a width for an epoch; return the digest of the losses."""
    config = Config(
        backend=BackendConfig(name=name, device=GPU[name]),
        data=DataConfig(name="digits"),
        model=ModelConfig(hidden_layer_sizes=[width, width]),
        train=TrainConfig(epochs=1, batch_size=128),
    )
    result = xpmlp.train(config)
    return hashlib.sha256(np.ascontiguousarray(result.history.batch_losses).tobytes()).hexdigest()
