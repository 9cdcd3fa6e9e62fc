"""``xpmlp page``: one HTML file on what a network has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xpmlp.cli.options import AllowCode, Quiet, RunDir, RunNumber, file_option


def page(
    run_dir: RunDir,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="Which part of the data [default: the part that training held out]."),
    ] = None,
    out: Annotated[
        Path | None, file_option("--out", "FILE", "The page [default: page.html in the run folder].")
    ] = None,
    data: Annotated[Path | None, file_option("--data", "FILE", "Where the data are, if not where they were.")] = None,
    rows: Annotated[
        int,
        typer.Option("--rows", min=0, metavar="N", help="Show N rows of a table, those with the largest loss."),
    ] = 0,
    run: RunNumber = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Write one HTML page on what the network of RUN_DIR has learned, in which it can be tried.

    The file needs no other and no server. It shows no rows of a table, and no category that fewer than ten rows have,
    unless --rows asks for them. Without the data of the training, what needs them is left out.

    Example: `xpmlp page runs/mnist --out mnist.html`.
    """
    from xpmlp.pages import write_page

    def tell(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    path = write_page(run_dir, split=split, out=out, data=data, rows=rows, run=run, allow_code=allow_code, tell=tell)
    if not quiet:
        typer.echo(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
