"""``xpmlp bench``: measure which backend is the fastest for a config on this machine."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from xpmlp._files import check_writable, refuse_overwriting, write_text
from xpmlp._paths import os_errors_as
from xpmlp.bench import Measured, bench, recommend, report_json
from xpmlp.cli.streams import console_on
from xpmlp.config import Config
from xpmlp.errors import RunFolderError, signal_status


def run(config: Config, *, backends: list[str] | None, seconds: float, allow_code: bool, out: Path | None) -> int:
    """Measure, print a table and a recommendation, and write a file if one was asked for.

    Returns
    -------
    exit_status : int
        0; 1 if nothing could be measured; 130 if it was interrupted.

    Raises
    ------
    RunFolderError
        If the file cannot be written.
    """
    if out is not None:
        with os_errors_as(RunFolderError, f"--out {out} cannot be written"):
            if out.is_dir():
                raise RunFolderError(f"--out {out} is a folder: name a file in it.")
            if not out.parent.is_dir():
                raise RunFolderError(f"--out {out}: there is no folder {out.parent}.")
            check_writable(out)
        refuse_overwriting([out], config.files)
    progress = console_on(sys.stderr)
    try:
        with progress.status("") as status:
            measured = bench(
                config,
                backends,
                seconds=seconds,
                allow_code=allow_code,
                listen=lambda name: status.update(f"measuring {name}"),
            )
    except KeyboardInterrupt:
        return signal_status(signal.SIGINT)
    console = console_on(sys.stdout, width=120)
    console.print(table(measured))
    for one in measured:
        if one.pace is None:
            console.print(f"{one.name}: {one.problem}", markup=False, soft_wrap=True)
    recommendation = recommend(measured)
    if recommendation is not None:
        console.print(f"use {recommendation.reason}", markup=False, soft_wrap=True)
    if out is not None:
        with os_errors_as(RunFolderError, f"--out {out} cannot be written"):
            write_text(out, json.dumps(report_json(config, seconds, measured), indent=2) + "\n")
    return 0 if recommendation is not None else 1


def table(measured: Sequence[Measured]) -> Table:
    """Build a table of the successful measurements, the fastest first."""
    result = Table()
    result.add_column("backend", no_wrap=True)
    for header in ("steps/s", "examples/s", "s/epoch", "peak MB"):
        result.add_column(header, justify="right", no_wrap=True)
    paces = [(one, one.pace) for one in measured if one.pace is not None]
    for one, pace in sorted(paces, key=lambda pair: -pair[1].examples_per_second):
        result.add_row(
            one.name,
            f"{pace.steps_per_second:,.0f}",
            f"{pace.examples_per_second:,.0f}",
            f"{pace.epoch_seconds:.3g}",
            "-" if pace.peak_memory is None else f"{pace.peak_memory / 1e6:,.0f}",
        )
    return result
