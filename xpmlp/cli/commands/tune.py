"""``xpmlp tune``: try settings, and train with the best ones."""

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
"""The options that describe a table."""


def tune(
    config: Annotated[
        Path,
        typer.Argument(parser=given_path, metavar="CONFIG|TABLE", help="A table or a TOML file, as for `xpmlp train`."),
    ],
    minutes: Annotated[
        float,
        typer.Option("--minutes", metavar="N", min=0.0, help="Time for the trials and the final training together."),
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
        int | None, typer.Option("--trials", metavar="N", min=1, help="Maximum number of trials.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes [default: one for every two cores]."),
    ] = None,
    backend: BackendName = None,
    device: DeviceName = None,
    out: Annotated[Path | None, file_option("--out", "DIR", "The run folder [default: `runs/<config name>`].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the trials in the folder.")] = False,
    quiet: Quiet = False,
) -> None:
    """Try settings of a network for some minutes, then train with the best ones, and write a run folder.

    Optuna varies the learning rate, weight decay, dropout, width, depth and label smoothing, judges each trial by one
    fold, and stops those that fall behind. Then a vote over all folds is trained, as by `xpmlp train`.

    Ctrl-C ends the trials and keeps them: `--resume` continues. It needs `pip install 'xpmlp[tune]'`.

    Example: `xpmlp tune titanic.csv --target survived --minutes 10`.
    """
    given = locals()
    from xpmlp.cli.table import config_of, overrides_of
    from xpmlp.cli.tune import run

    values = placed(overrides_of({name: given[name] for name in FOR_TABLES}, overrides), backend, device)
    loaded = config_of(config, values)
    how = {"minutes": minutes, "trials": trials, "workers": workers, "overwrite": overwrite, "resume": resume}
    raise typer.Exit(run(loaded, out or loaded.output.folder / loaded.name, quiet=quiet, **how))
