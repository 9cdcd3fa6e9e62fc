"""``xpmlp page``: an HTML page about a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpmlp.cli.options import AllowCode, Quiet, RunDir, RunNumber, Split, file_option, teller


def page(
    run_dir: RunDir,
    split: Split = None,
    out: Annotated[
        Path | None, file_option("--out", "FILE", "The page [default: page.html in the run folder].")
    ] = None,
    data: Annotated[Path | None, file_option("--data", "FILE", "The data, if they have moved.")] = None,
    rows: Annotated[
        int,
        typer.Option("--rows", min=0, metavar="N", help="Show the N rows of a table with the largest losses."),
    ] = 0,
    run: RunNumber = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Write an HTML page on what the network in RUN_DIR has learned, on which the network can be tried.

    The page is a single file and needs no server. It shows no rows of a table, and no category with fewer than ten
    rows, unless --rows asks for them. Without the training data, the sections that need them are left out.

    Example: `xpmlp page runs/mnist --out mnist.html`.
    """
    from xpmlp.pages import write_page

    tell = teller(quiet)
    path = write_page(run_dir, split=split, out=out, data=data, rows=rows, run=run, allow_code=allow_code, tell=tell)
    if not quiet:
        typer.echo(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
