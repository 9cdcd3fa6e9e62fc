"""The libraries that compute on the GPU: CuPy is required, the others are optional."""

from __future__ import annotations

from benchmarks.contestants.ours import GPU
from benchmarks.gpu_round.findings import Findings, Surroundings
from xpmlp.backend import resolve
from xpmlp.errors import BackendError

REQUIRED = "cupy"


def on_the_gpu(findings: Findings, surroundings: Surroundings) -> list[str]:
    """Find the backends that can use the first GPU, CuPy first; the others are recorded as missed.

    Parameters
    ----------
    findings : Findings
    surroundings : Surroundings

    Returns
    -------
    names : list of str
    """
    found = []
    for name in (REQUIRED, *sorted(GPU.keys() - {REQUIRED})):
        if surroundings.stand_in and name != REQUIRED:
            findings.miss(f"{name} on a GPU: the stand-in is CuPy's alone.")
            continue
        try:
            resolve(name, GPU[name])
        except BackendError as error:
            (findings.fail if name == REQUIRED else findings.miss)(f"{name} on a GPU: {error}")
        else:
            found.append(name)
    return found
