"""``xpmlp tune``: try settings, and train with the best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpmlp._paths import given_path
from xpmlp.cli.options import (
    BackendName,
    DeviceName,
    Drop,
    Group,
    MetricName,
    Overrides,
    Quiet,
    TargetColumns,
    TaskName,
    Time,
    Types,
    Weights,
    file_option,
    placed,
)

FOR_TABLES = ("target", "drop", "weights", "group", "time", "metric", "types", "task")
"""The options that say something of a table."""


def tune(
    config: Annotated[
        Path,
        typer.Argument(parser=given_path, metavar="CONFIG|TABLE", help="As of `xpmlp train`: a table, or a TOML file."),
    ],
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="N", min=0.0, help="How long to try settings and train, in all.")
    ],
    overrides: Overrides = None,
    target: TargetColumns = None,
    drop: Drop = None,
    weights: Weights = None,
    group: Group = None,
    time: Time = None,
    metric: MetricName = None,
    types: Types = None,
    task: TaskName = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="End after so many trials, if sooner.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes [default: one for each two cores]."),
    ] = None,
    backend: BackendName = None,
    device: DeviceName = None,
    out: Annotated[Path | None, file_option("--out", "DIR", "The run folder [default: `runs/<config name>`].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the trials in the folder.")] = False,
    quiet: Quiet = False,
) -> None:
    """Try settings of a network for some minutes, then train with the best, and write a run folder.

    Learning rate, weight decay, dropout, width, depth and label smoothing are tried, each trial judged by one fold;
    Optuna chooses them, and gives up those that are behind. Then a vote over all folds is trained as by `xpmlp train`.

    Ctrl-C ends the trials and keeps them: `--resume` goes on. It needs `pip install 'xpmlp[tune]'`.

    Example: `xpmlp tune titanic.csv --target survived --minutes 10`.
    """
    given = locals()
    from xpmlp.cli.table import config_of, overrides_of
    from xpmlp.cli.tune import run

    values = placed(overrides_of({name: given[name] for name in FOR_TABLES}, overrides), backend, device)
    loaded = config_of(config, values)
    how = {"minutes": minutes, "trials": trials, "workers": workers, "overwrite": overwrite, "resume": resume}
    raise typer.Exit(run(loaded, out or loaded.output.folder / loaded.name, quiet=quiet, **how))
