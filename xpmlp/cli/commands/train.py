"""``xpmlp train``: train as described by a config, or on a table."""

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
    Drop,
    Encoding,
    Features,
    Force,
    Group,
    Header,
    MetricName,
    Overrides,
    Quiet,
    Quote,
    Separator,
    TargetColumns,
    TaskName,
    Time,
    Types,
    Weights,
    file_option,
    of_table,
    placed,
)

FOR_TABLES = ("target", "features", "drop", "weights", "group", "time", "test", "validation", "class_weight", "metric",
              "types", "task", "separator", "decimal", "encoding", "quote", "comment", "header")  # fmt: skip
"""The options that describe a table."""


def train(
    config: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="CONFIG|TABLE",
            help="A TOML file (configs/quickstart.toml), or a table: CSV, compressed or not, Parquet, Arrow, Excel.",
        ),
    ],
    overrides: Overrides = None,
    target: TargetColumns = None,
    features: Features = None,
    drop: Drop = None,
    weights: Weights = None,
    group: Group = None,
    time: Time = None,
    test: Annotated[
        str | None, of_table("--test", "FILE", "A file with the test part; 0: no test part, train on all rows")
    ] = None,
    validation: Annotated[
        Path | None, file_option("--validation", "FILE", "A file with the validation part (tables).")
    ] = None,
    class_weight: Annotated[
        str | None, of_table("--class-weight", "HOW", "balanced: all classes count the same in total")
    ] = None,
    metric: MetricName = None,
    types: Types = None,
    task: TaskName = None,
    start: Annotated[
        Path | None,
        file_option("--from", "RUN_DIR", "Start from the network of a run, on the rows of another table (tables)."),
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the training in the folder, if there is one.")
    ] = False,
    force: Force = False,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Train the network described by CONFIG, all runs of its [grid], or a network for a TABLE, and write a run folder.

    The folder has the curves, all figures and the weights. The kinds of a table's columns are inferred and shown.

    Ctrl-C finishes the current segment of steps, writes the results so far and exits with status 130; SIGTERM does the
    same with 143. `--resume` continues from there, or from the last checkpoint of a training that was killed.

    Examples: `xpmlp train titanic.csv --target survived`, `xpmlp train configs/quickstart.toml`, `xpmlp train
    configs/mnist.toml --backend torch --set train.epochs=1`.
    """
    given = locals()
    from xpmlp.cli.table import config_of, going_on_config, overrides_of
    from xpmlp.cli.train import run
    from xpmlp.config import unused_settings

    values = placed(overrides_of({name: given[name] for name in FOR_TABLES}, overrides), backend, device)
    how: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "force": force, "allow_code": allow_code}
    if start is not None:
        from xpmlp.storage import load_network

        loaded, said = going_on_config(start, config, values)
        how["start"] = load_network(start / "weights.safetensors")
        if not quiet:
            typer.echo(printable(said))
    else:
        loaded = config_of(config, values)
    for sentence in unused_settings(loaded):
        typer.echo(printable(f"warning: {sentence}"), err=True)
    raise typer.Exit(run(loaded, out or loaded.output.folder / loaded.name, quiet=quiet, **how))
