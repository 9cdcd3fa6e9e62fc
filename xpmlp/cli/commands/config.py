"""``xpmlp config``: show a config whole, or the schema of all."""

from __future__ import annotations

import json

import typer

from xpmlp._text import printable
from xpmlp.cli.options import BackendName, ConfigFile, DeviceName, Overrides, load

app = typer.Typer(name="config", help="Look at configs: the schema for editors, or one resolved.", no_args_is_help=True)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of config files: with it an editor completes and checks them."""
    from xpmlp.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("show")
def show(
    config: ConfigFile, overrides: Overrides = None, backend: BackendName = None, device: DeviceName = None
) -> None:
    """Print CONFIG with everything that it extends, all defaults and the overrides filled in."""
    typer.echo(printable(load(config, overrides, backend, device).to_toml()), nl=False)
