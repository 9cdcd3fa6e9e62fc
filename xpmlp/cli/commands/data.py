"""``xpmlp data``: list, fetch and describe data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xpmlp._paths import given_path
from xpmlp._text import printable
from xpmlp.cli.options import Comment, Decimal, Encoding, Header, Quote, Separator, TargetColumns, Types

app = typer.Typer(name="data", help="List and fetch data sets, and describe tables.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the data sets: what they are, and where they are on this machine or would have to be put."""
    from xpmlp._text import aligned
    from xpmlp.data import list_sets

    typer.echo(printable(aligned(("data set", "what it is", "where"), list_sets())))


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist or fashion-mnist.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Download a data set into the cache unless it is on this machine, check it, and print its folder."""
    from xpmlp.data import fetch

    typer.echo(printable(str(fetch(name, quiet=quiet))))


@app.command("describe")
def describe(
    table: Annotated[
        Path,
        typer.Argument(parser=given_path, metavar="TABLE", help="CSV, compressed or not, Parquet, Arrow or Excel."),
    ],
    target: TargetColumns = None,
    types: Types = None,
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    quote: Quote = None,
    comment: Comment = None,
    header: Header = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe TABLE: the kind inferred for each column, the reason, and what looks wrong; nothing is changed.

    Example: `xpmlp data describe titanic.csv --target survived`.
    """
    from xpmlp.cli.describe import described, lines_of
    from xpmlp.data.table_options import Given

    given = Given(separator, quote, decimal, encoding, header, comment)
    found = described(table, target, types, given)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        typer.echo(printable("\n".join(lines_of(found))))
