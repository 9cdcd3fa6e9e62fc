"""``xpmlp train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xpmlp._paths import given_path
from xpmlp._text import printable
from xpmlp.cli.options import (
    AllowCode,
    BackendName,
    Comment,
    Decimal,
    DeviceName,
    Encoding,
    Force,
    Header,
    Overrides,
    Quiet,
    Quote,
    Separator,
    TargetColumns,
    Types,
    file_option,
    of_table,
    placed,
)

FOR_TABLES = ("target", "features", "drop", "weights", "group", "time", "test", "validation", "class_weight", "metric",
              "types", "task", "separator", "decimal", "encoding", "quote", "comment", "header")  # fmt: skip
"""The options that say something of a table."""


def train(
    config: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="CONFIG|TABLE",
            help="A TOML file, as configs/quickstart.toml; or a table: CSV, packed or not, Parquet, Arrow, Excel.",
        ),
    ],
    overrides: Overrides = None,
    target: TargetColumns = None,
    features: Annotated[str | None, of_table("--features", "NAMES", "The columns to learn from [default: all]")] = None,
    drop: Annotated[str | None, of_table("--drop", "NAMES", "Columns to leave out")] = None,
    weights: Annotated[str | None, of_table("--weights", "NAME", "The column that says how much a row counts")] = None,
    group: Annotated[
        str | None, of_table("--group", "NAME", "The column of groups that are never on both sides of a split")
    ] = None,
    time: Annotated[
        str | None, of_table("--time", "NAME", "The column by which the newest rows are the test part")
    ] = None,
    test: Annotated[
        str | None, of_table("--test", "FILE", "A file with the test part; 0: no test part, to train on all rows")
    ] = None,
    validation: Annotated[
        Path | None, file_option("--validation", "FILE", "A file with the validation part (tables).")
    ] = None,
    class_weight: Annotated[
        str | None, of_table("--class-weight", "HOW", "balanced: all classes count the same in total")
    ] = None,
    metric: Annotated[
        str | None, of_table("--metric", "NAME", "The figure that counts: log_loss, error or auc; rmse or mae")
    ] = None,
    types: Types = None,
    task: Annotated[str | None, of_table("--task", "TASK", "classes or values [default: found out]")] = None,
    start: Annotated[
        Path | None,
        file_option("--from", "RUN_DIR", "Go on with the network of a run, on the rows of another table (tables)."),
    ] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    quote: Quote = None,
    comment: Comment = None,
    header: Header = None,
    backend: BackendName = None,
    device: DeviceName = None,
    out: Annotated[Path | None, file_option("--out", "DIR", "The run folder [default: `runs/<config name>`].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in the folder.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in the folder, if one was begun there.")
    ] = False,
    force: Force = False,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Train the network that CONFIG describes, or all runs of its [grid], or one for a TABLE, and write a run folder.

    The folder has the curves, all numbers and the weights. Of a table the kinds of the columns are found out and shown.

    Ctrl-C finishes the current stretch of steps, writes what there is and exits with status 130; SIGTERM likewise
    with 143. `--resume` goes on from there, or from the last checkpoint of a training that was killed.

    Examples: `xpmlp train titanic.csv --target survived`, `xpmlp train configs/quickstart.toml`, `xpmlp train
    configs/mnist.toml --backend torch --set train.epochs=1`.
    """
    given = locals()
    from xpmlp.cli.table import config_of, going_on_config, is_table, values_of
    from xpmlp.cli.train import run
    from xpmlp.config import load_config, unused_settings

    values = placed(values_of({name: given[name] for name in FOR_TABLES}, overrides), backend, device)
    how: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "force": force, "allow_code": allow_code}
    if start is not None:
        from xpmlp.storage import load_network

        loaded, said = going_on_config(start, config, values)
        how["start"] = load_network(start / "weights.safetensors")
        if not quiet:
            typer.echo(printable(said))
    else:
        loaded = config_of(config, values) if is_table(config) else load_config(config, values)
    for sentence in unused_settings(loaded):
        typer.echo(printable(f"warning: {sentence}"), err=True)
    raise typer.Exit(run(loaded, out or loaded.output.folder / loaded.name, quiet=quiet, **how))
