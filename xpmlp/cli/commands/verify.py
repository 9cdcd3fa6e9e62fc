"""``xpmlp verify``: compare the backends with the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xpmlp.cli.options import AllowCode, ConfigFile, Overrides, Quiet, file_option, load


def verify(
    config: ConfigFile,
    backends: Annotated[
        str,
        typer.Option("--backends", metavar="NAMES", help="Which, as `numpy,torch,jax` or `numpy,torch:cuda:1`."),
    ],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="How many training steps.")] = 100,
    dtype: Annotated[
        Literal["float32", "float64"] | None, typer.Option("--dtype", help="One of the two [default: both].")
    ] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Compare with the float64 reference, not with the first backend; one backend alone always is.",
        ),
    ] = False,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
    out: Annotated[
        Path | None, file_option("--out", "DIR", "For the files [default: `runs/verify/<config name>`].")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Prove that backends train CONFIG as the textbook says, and alike: from the same weights, on the same batches.

    A step is held against an independent reference in float64, the reference against finite differences, and the
    backends against the first. Writes verify.json and verify.png. What differs ends with exit status 1 and the name of
    the first quantity that does.

    Example: `xpmlp verify configs/mnist.toml --backends numpy,torch,jax`.
    """
    from xpmlp.cli.verify import run

    loaded = load(config, overrides)
    folder = out or loaded.output.folder / "verify" / loaded.name
    how = {"reference": reference, "allow_code": allow_code, "quiet": quiet}
    raise typer.Exit(run(loaded, folder, backends=backends, steps=steps, dtype=dtype, **how))
