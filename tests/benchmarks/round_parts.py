"""Parts for the tests of the round: passing, failing and never-ending ones."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu_round.findings import Findings, Surroundings
from xpmlp.errors import DataError


def passes(findings: Findings, surroundings: Surroundings) -> None:
    findings.see("It runs.")
    findings.miss("The moon: it is behind a cloud.")
    findings.table(["a", "b"], [[1, 2]])
    with (surroundings.work.parent / "runs.txt").open("a") as runs:
        runs.write("passes\n")


def finds_a_fault(findings: Findings, surroundings: Surroundings) -> None:
    findings.judge("2 is 3.", holds=False)


def lacks_data(findings: Findings, surroundings: Surroundings) -> None:
    raise DataError("there is no mnist here.")


def breaks(findings: Findings, surroundings: Surroundings) -> None:
    findings.see("It begins.")
    raise ZeroDivisionError


def never_ends(findings: Findings, surroundings: Surroundings) -> None:
    findings.see("It begins.")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(surroundings.work, "child.txt").write_text(str(child.pid))
    time.sleep(600)


def says_what_cupy_is(findings: Findings, surroundings: Surroundings) -> None:
    from xpmlp.backend import resolve

    findings.see(resolve("cupy").backend.device_name)
