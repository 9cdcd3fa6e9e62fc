"""``xpmlp bench``: the speed of a config on each backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpmlp.cli.options import AllowCode, ConfigFile, Overrides, file_option, load, split_names


def bench(
    config: ConfigFile,
    overrides: Overrides = None,
    backends: Annotated[
        str | None,
        typer.Option("--backends", metavar="NAMES", help="Some of them, as `numpy,torch` [default: all here]."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", help="The length of each measurement, after a warm-up.")
    ] = 3.0,
    allow_code: AllowCode = False,
    out: Annotated[Path | None, file_option("--out", "FILE", "Write the figures, as JSON, to this file, too.")] = None,
) -> None:
    """Measure how fast the training that CONFIG describes goes on each backend, and say which one to use.

    Each backend is measured on the CPU and on its first GPU, in a process of its own.

    Example: `xpmlp bench configs/mnist.toml --backends numpy,torch --seconds 5`.
    """
    from xpmlp.cli.bench import run

    names = [""] if (named := split_names(backends)) == [] else named  # a name that is none is refused as one
    loaded = load(config, overrides)
    raise typer.Exit(run(loaded, backends=names, seconds=seconds, allow_code=allow_code, out=out))
