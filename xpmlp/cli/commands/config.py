"""``xpmlp config``: show a resolved config, or the schema of config files."""

from __future__ import annotations

import json

import typer

from xpmlp._text import printable
from xpmlp.cli.options import BackendName, ConfigFile, DeviceName, Overrides, load

app = typer.Typer(name="config", help="Show a resolved config, or the schema for editors.", no_args_is_help=True)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of config files, with which editors complete and check them."""
    from xpmlp.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("show")
def show(
    config: ConfigFile, overrides: Overrides = None, backend: BackendName = None, device: DeviceName = None
) -> None:
    """Print CONFIG with all inherited values, defaults and overrides filled in."""
    typer.echo(printable(load(config, overrides, backend, device).to_toml()), nl=False)
