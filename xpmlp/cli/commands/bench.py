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
        typer.Option(
            "--backends", metavar="NAMES", help="The backends, as in `numpy,torch` [default: all usable ones]."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", help="The length of each measurement, after a warm-up.")
    ] = 3.0,
    allow_code: AllowCode = False,
    out: Annotated[Path | None, file_option("--out", "FILE", "Also write the figures to this file, as JSON.")] = None,
) -> None:
    """Measure the speed of the training described by CONFIG on each backend, and recommend one.

    Each backend is measured on the CPU and on its first GPU, in separate processes.

    Example: `xpmlp bench configs/mnist.toml --backends numpy,torch --seconds 5`.
    """
    from xpmlp.cli.bench import run

    names = [""] if (named := split_names(backends)) == [] else named  # a name that is none is refused as one
    loaded = load(config, overrides)
    raise typer.Exit(run(loaded, backends=names, seconds=seconds, allow_code=allow_code, out=out))
