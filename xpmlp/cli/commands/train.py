"""``xpmlp train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpmlp._text import printable
from xpmlp.cli.options import (
    AllowCode,
    BackendName,
    ConfigFile,
    DeviceName,
    Force,
    Overrides,
    Quiet,
    file_option,
    load,
)


def train(
    config: ConfigFile,
    overrides: Overrides = None,
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
    """Train the network that CONFIG describes, or all runs of its [grid], and write a run folder.

    The folder has the curves, all numbers and the weights.

    Ctrl-C finishes the current stretch of steps, writes what there is and exits with status 130; SIGTERM likewise
    with 143. `--resume` goes on from there, or from the last checkpoint of a training that was killed.

    Examples: `xpmlp train configs/quickstart.toml`, `xpmlp train configs/mnist.toml --backend torch --set
    train.epochs=1`.
    """
    from xpmlp.cli.train import run
    from xpmlp.config import unused_settings

    loaded = load(config, overrides, backend, device)
    for sentence in unused_settings(loaded):
        typer.echo(printable(f"warning: {sentence}"), err=True)
    folder = out or loaded.output.folder / loaded.name
    how = {"overwrite": overwrite, "resume": resume, "force": force, "allow_code": allow_code}
    raise typer.Exit(run(loaded, folder, quiet=quiet, **how))
