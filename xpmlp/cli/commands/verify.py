"""``xpmlp verify``: compare backends with the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xpmlp.cli.options import AllowCode, ConfigFile, Overrides, Quiet, file_option, load


def verify(
    config: ConfigFile,
    backends: Annotated[
        str,
        typer.Option(
            "--backends", metavar="NAMES", help="The backends, as in `numpy,torch,jax` or `numpy,torch:cuda:1`."
        ),
    ],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Number of training steps.")] = 100,
    dtype: Annotated[
        Literal["float32", "float64"] | None, typer.Option("--dtype", help="The precision [default: both].")
    ] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Compare with the float64 reference instead of the first backend, as is done for a single backend.",
        ),
    ] = False,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
    out: Annotated[
        Path | None, file_option("--out", "DIR", "The folder for the files [default: `runs/verify/<config name>`].")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Verify that backends train CONFIG correctly and alike, from the same weights and on the same batches.

    A step is compared with an independent reference in float64, the reference with finite differences, and the backends
    with the first one. Writes verify.json and verify.png. After a difference the exit status is 1, and the first
    quantity that differs is named.

    Example: `xpmlp verify configs/mnist.toml --backends numpy,torch,jax`.
    """
    from xpmlp.cli.verify import run

    loaded = load(config, overrides)
    folder = out or loaded.output.folder / "verify" / loaded.name
    how = {"reference": reference, "allow_code": allow_code, "quiet": quiet}
    raise typer.Exit(run(loaded, folder, backends=backends, steps=steps, dtype=dtype, **how))
