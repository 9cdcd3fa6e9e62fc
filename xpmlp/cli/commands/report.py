"""``xpmlp report``: the coursework report, recomputed."""

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
        typer.Option(
            "--only", metavar="PARTS", help="Parts of the report, as in `table1,figure3`, with those that they need."
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="A small version, in under a minute and without MNIST; its figures are not comparable."
        ),
    ] = False,
    backend: BackendName = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Recompute every table and figure of the coursework report, and write a page with the coursework's beside them.

    Finished parts are kept: after Ctrl-C (exit status 130) the same command computes the missing ones.

    Examples: `xpmlp report --quick`, `xpmlp report --out runs/report --only table1,figure3`.
    """
    from xpmlp.cli.report import run

    folder = out or Path("runs/report-quick" if quick else "runs/report")
    how = {"quick": quick, "allow_code": allow_code, "quiet": quiet}
    raise typer.Exit(run(folder, only=split_names(only), backend=backend, **how))
