"""The whole test suite, CuPy required, in one process for each core: kernels are compiled side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu_round.findings import Findings, Surroundings

ROOT = Path(__file__).parents[2]

SMALL = ["tests/backend/test_fused_ops.py", "tests/nn/test_hand_worked.py", "tests/optim", "-k", "cupy"]
"""Tests for a stand-in: operations, networks and optimisers on CuPy, as many as a required backend needs."""

MOST_NAMED = 50
"""Maximum number of failures reported by name."""


def suite(findings: Findings, surroundings: Surroundings) -> None:
    """Run pytest; failed tests are reported after all have run."""
    results = surroundings.work / "suite.xml"
    chosen = ["-p", "benchmarks.gpu_round.stand_in", *SMALL] if surroundings.stand_in else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n", str(cores), "-m", "not real_data and not browser"),
        *("-p", "no:cacheprovider", f"--junitxml={results}", *chosen),
    ]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"XPMLP_REQUIRED_BACKENDS": "cupy"}, stdin=subprocess.DEVNULL, check=False
    )
    if not results.exists():
        findings.fail(f"pytest ended with status {ended.returncode} and no results.")
        return
    counts, failed = read(results)
    findings.keep("tests", counts)
    findings.keep("failed", failed)
    findings.see(", ".join(f"{count:,} {outcome}" for outcome, count in counts.items()) + f", on {cores} cores.")
    for name, message in list(failed.items())[:MOST_NAMED]:
        findings.fail(f"{name}: {message}")
    if ended.returncode and not failed:
        findings.fail(f"pytest ended with status {ended.returncode}, though no test failed: see its output.")


def read(results: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Return the number of tests with each outcome, and the first line of the message of each failure."""
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    failed = {}
    for case in ElementTree.parse(results).iter("testcase"):
        problem = next((one for one in case if one.tag in ("failure", "error")), None)
        skipped = any(one.tag == "skipped" for one in case)
        counts["failed" if problem is not None else "skipped" if skipped else "passed"] += 1
        if problem is not None:
            lines = (problem.get("message") or problem.text or "").strip().splitlines() or ["no message"]
            failed[f"{case.get('classname')}::{case.get('name')}"] = lines[0][:300]
    return counts, failed
