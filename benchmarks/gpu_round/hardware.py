"""Libraries, driver, card and clocks of a round; and whether all requirements are installed."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.gpu_round.gpus import on_the_gpu
from benchmarks.machine import machine as facts

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

QUERY = [
    *("name", "uuid", "driver_version", "vbios_version", "compute_cap", "memory.total", "memory.used"),
    *("clocks.sm", "clocks.max.sm", "clocks.mem", "clocks.max.mem", "power.draw", "power.limit", "temperature.gpu"),
    *("persistence_mode", "compute_mode", "mig.mode.current", "utilization.gpu", "pstate"),
]
"""Fields of a query to ``nvidia-smi``."""


def machine(findings: Findings, surroundings: Surroundings) -> None:
    """Record the machine and the versions; fail if a requirement of the package or its tests is not installed."""
    known = facts()
    findings.keep("machine", known)
    findings.see(", ".join(f"{name} {text}" for name, text in known.items()) + ".")
    _card(findings)
    missing = [problem for requirement in _requirements() if (problem := _problem(requirement))]
    for problem in missing:
        findings.fail(f"{problem}; see docs/gpu.md.")
    if not missing:
        findings.see("All that the package and its tests require is installed.")
    if on_the_gpu(findings, surroundings):
        import cupy

        if not surroundings.stand_in:
            runtime = cupy.cuda.runtime
            versions = {"runtime": runtime.runtimeGetVersion(), "driver": runtime.driverGetVersion()}
            findings.keep("cuda", versions)
            findings.see(f"CUDA: runtime {versions['runtime']}, driver's {versions['driver']}.")


def _card(findings: Findings) -> None:
    """Record the first GPU as reported by ``nvidia-smi`` before any computation."""
    if shutil.which("nvidia-smi") is None:
        findings.miss("Card and clocks: there is no nvidia-smi, so no NVIDIA driver.")
        return
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode or not asked.stdout.strip():
        findings.miss(f"Card and clocks: nvidia-smi gave status {asked.returncode}: {asked.stdout.strip()[:200]}")
        return
    cards = [dict(zip(QUERY, line.split(", "), strict=False)) for line in asked.stdout.strip().splitlines()]
    findings.keep("cards", cards)
    findings.table(["card", *map(str, range(len(cards)))], [[name, *(card[name] for card in cards)] for name in QUERY])


def _requirements() -> list[Requirement]:
    """Return the requirements of the package and of its tests."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    named = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    return [one for one in named if one.marker is None or one.marker.evaluate()]


def _problem(requirement: Requirement) -> str | None:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement} is not installed"
    if not requirement.specifier.contains(found, prereleases=True):
        return f"{requirement} is required, {found} is installed"
    return None
