"""``xpmlp report``: the coursework report, computed anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpmlp.cli.options import AllowCode, BackendName, Quiet, file_option, split_names


def report(
    out: Annotated[
        Path | None,
        file_option("--out", "DIR", "The report's folder [default: runs/report, with --quick runs/report-quick]."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="PARTS", help="Some of its parts, as `table1,figure3`, with what they need."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version in under a minute, without MNIST; not comparable.")
    ] = False,
    backend: BackendName = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Recompute every table and figure of the coursework report, and write them as one page beside its figures.

    Finished parts are kept: after Ctrl-C (exit status 130) the same command computes those that are missing.

    Examples: `xpmlp report --quick`, `xpmlp report --out runs/report --only table1,figure3`.
    """
    from xpmlp.cli.report import run

    folder = out or Path("runs/report-quick" if quick else "runs/report")
    how = {"quick": quick, "allow_code": allow_code, "quiet": quiet}
    raise typer.Exit(run(folder, only=split_names(only), backend=backend, **how))
