"""A part of the round, in a separate process: ``python -m benchmarks.gpu_round.part MODULE:FUNCTION WORK``.

It writes its findings to ``WORK/findings.json``.  When its standard input ends, the process that started it is gone;
then it ends, together with all processes that it has started.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from pathlib import Path

STAND_IN = "--stand-in"

if STAND_IN in sys.argv:  # also when multiprocessing imports this module to start a process of the part
    from benchmarks.gpu_round.stand_in import put_in_place

    put_in_place()


def main() -> None:
    """Run the part."""
    from benchmarks.gpu_round.findings import Findings, Surroundings
    from xpmlp.errors import XpmlpError

    where, work = sys.argv[1], Path(sys.argv[2])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, _, name = where.partition(":")
    findings = Findings(work / "findings.json")
    findings.save()
    try:
        getattr(importlib.import_module(module), name)(findings, Surroundings(work, STAND_IN in sys.argv))
    except XpmlpError as error:
        findings.fail(str(error))


def _end_with_parent() -> None:
    while os.read(0, 1):
        continue
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
