"""``xpmlp export``: a trained network as a file for programs without xpmlp."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xpmlp._text import printable
from xpmlp.cli.options import AllowCode, Quiet, RunDir, RunNumber, file_option


def export(
    run_dir: RunDir,
    form: Annotated[Literal["onnx", "torch"], typer.Option("--format", help="The format of the file.")],
    out: Annotated[
        Path | None,
        file_option("--out", "FILE", "The file [default: model.onnx or model.safetensors in the run folder]."),
    ] = None,
    run: RunNumber = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Export the network in RUN_DIR to programs without xpmlp: as an ONNX model, or for PyTorch.

    onnx: one file, from raw columns to labels and probabilities, or to values; it needs `pip install 'xpmlp[onnx]'`.
    torch: a state_dict, and beside it the Python code that loads it and computes the outputs, which is also printed.

    Example: `xpmlp export runs/titanic --format onnx --out titanic.onnx`.
    """
    from xpmlp.export.run import export_run

    done = export_run(run_dir, form, out=out, run=run, allow_code=allow_code)
    if not quiet:
        for path in done.files:
            typer.echo(printable(f"{path} ({path.stat().st_size / 1e6:.2f} MB)"))
        if done.code:
            typer.echo(done.code)
