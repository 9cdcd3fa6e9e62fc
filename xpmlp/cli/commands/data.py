"""``xpmlp data``."""

from __future__ import annotations

from typing import Annotated

import typer

from xpmlp._text import printable

app = typer.Typer(name="data", help="See which data sets are here, and fetch them.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the data sets: what they are, and where they were found or would have to be put."""
    from xpmlp.cli.columns import aligned
    from xpmlp.data import list_sets

    typer.echo(printable(aligned(("data set", "what it is", "where"), list_sets())))


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist or fashion-mnist.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Download a data set into the cache, if it is not on this machine yet, check it, and print where it is."""
    from xpmlp.data import fetch

    typer.echo(printable(str(fetch(name, quiet=quiet))))
