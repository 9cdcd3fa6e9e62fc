"""The program ``xpmlp``: its commands, in the order in which help lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from xpmlp.cli.commands import config, data
from xpmlp.cli.commands.backends import backends
from xpmlp.cli.commands.bench import bench
from xpmlp.cli.commands.compare import compare
from xpmlp.cli.commands.evaluate import evaluate
from xpmlp.cli.commands.export import export
from xpmlp.cli.commands.page import page
from xpmlp.cli.commands.predict import predict
from xpmlp.cli.commands.report import report
from xpmlp.cli.commands.resume import resume
from xpmlp.cli.commands.train import train
from xpmlp.cli.commands.tune import tune
from xpmlp.cli.commands.verify import verify

app = typer.Typer(
    name="xpmlp",
    help="Train multilayer perceptrons on NumPy, CuPy, PyTorch or JAX: a config file names the network, the data and "
    "the backend.\n\nBegin with `xpmlp train configs/quickstart.toml`, which needs no download.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, tune, resume, evaluate, predict, page, compare, export, report, bench, verify, backends):
    app.command()(command)
app.add_typer(config.app)
app.add_typer(data.app)


def _version(wanted: bool) -> None:
    if wanted:
        import xpmlp

        typer.echo(f"xpmlp {xpmlp.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
