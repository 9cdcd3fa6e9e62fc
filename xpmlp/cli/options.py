"""Options shared by several commands, and the config built from them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from xpmlp._paths import given_path
from xpmlp.errors import ConfigError


def file_option(name: str, metavar: str, text: str, *short: str) -> Any:
    """Declare an option for a path."""
    return typer.Option(name, *short, parser=given_path, metavar=metavar, help=text)


def _find_code_here(allowed: bool) -> bool:
    """Let Python find modules in the working directory, too, after all other places."""
    if allowed:
        sys.path.append(str(Path.cwd()))
    return allowed


ConfigFile = Annotated[
    Path,
    typer.Argument(parser=given_path, metavar="CONFIG", help="A TOML file, for example configs/quickstart.toml."),
]
RunDir = Annotated[
    Path, typer.Argument(parser=given_path, metavar="RUN_DIR", help="A run folder written by `xpmlp train`.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a value of the config, as in `--set train.epochs=1`; repeatable."
    ),
]
BackendName = Annotated[
    str | None, typer.Option("--backend", metavar="NAME", help="auto, or a backend listed by `xpmlp backends`.")
]
DeviceName = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="The device, as the library names it: cpu, cuda:0, mps ..."),
]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        callback=_find_code_here,
        help="Import code that the config names as `module:object`, from the working directory or PYTHONPATH.",
    ),
]
RunNumber = Annotated[str | None, typer.Option("--run", metavar="K", help="The run of a grid: its number, or `best`.")]
Split = Annotated[
    Literal["train", "validation", "test"] | None,
    typer.Option("--split", help="The part of the data [default: the one held out in training]."),
]
Force = Annotated[bool, typer.Option("--force", help="Resume even if the config or the data have changed.")]


def of_table(name: str, metavar: str, text: str) -> Any:
    """Declare an option that describes a table."""
    return typer.Option(name, metavar=metavar, help=f"{text} (tables).")


TargetColumns = Annotated[
    str | None, of_table("--target", "NAME", "The column to predict, or several, separated by commas")
]
Features = Annotated[str | None, of_table("--features", "NAMES", "The columns to learn from [default: all]")]
Drop = Annotated[str | None, of_table("--drop", "NAMES", "Columns to leave out")]
Weights = Annotated[str | None, of_table("--weights", "NAME", "The column with the weight of each row")]
Group = Annotated[
    str | None, of_table("--group", "NAME", "The column with the group of each row; splits keep groups whole")
]
Time = Annotated[
    str | None, of_table("--time", "NAME", "The column for a split by time: the newest rows are the test part")
]
MetricName = Annotated[
    str | None, of_table("--metric", "NAME", "The figure to optimise: log_loss, error or auc; rmse or mae")
]
TaskName = Annotated[str | None, of_table("--task", "TASK", "classes or values [default: detected]")]
Types = Annotated[
    str | None, of_table("--types", "KINDS", "Kinds of columns, as in `zip=category,size=small<medium<large`")
]
Separator = Annotated[str | None, of_table("--separator", "C", "The field separator of a CSV file")]
Decimal = Annotated[str | None, of_table("--decimal", "C", "The decimal mark of a CSV file, . or ,")]
Encoding = Annotated[str | None, of_table("--encoding", "NAME", "The encoding of a CSV file, such as cp1250")]
Quote = Annotated[str | None, of_table("--quote", "C", "The quotation mark around fields of a CSV file")]
Comment = Annotated[str | None, of_table("--comment", "C", "The beginning of comment lines in a CSV file")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether a CSV file begins with the column names (tables)."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


ORIGIN = "--set "
"""Beginning of messages about a command's overrides."""


def teller(quiet: bool, before: str = "") -> Callable[[str], None]:
    """Return a function that prints a line of progress on standard error, unless ``quiet``."""
    return lambda line: None if quiet else typer.echo(f"{before}{line}", err=True)


def overriding(texts: list[str] | None) -> dict[str, Any]:
    """Parse the arguments of ``--set`` to values by dotted key."""
    from xpmlp.config import parse_override

    return dict(map(parse_override, texts or []))


def load(config: Path, overrides: list[str] | None, backend: str | None = None, device: str | None = None) -> Any:
    """Load a command's config with its overrides; another backend does not inherit the config's device."""
    from xpmlp.config import load_config

    return load_config(config, placed(overriding(overrides), backend, device), origin=ORIGIN)


def placed(values: dict[str, Any], backend: str | None, device: str | None) -> dict[str, Any]:
    """Add backend and device to values by dotted key; another backend does not inherit the config's device."""
    if backend is not None:
        values |= {"backend.name": backend, "backend.device": "none"}
    if device is not None:
        values["backend.device"] = device
    return values


def split_names(text: str | None) -> list[str] | None:
    """Split a comma-separated list into names."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def target_names(text: str) -> str | list[str]:
    """Split the argument of ``--target`` into names if it is a list of them.

    Raises
    ------
    ConfigError
        If a name is given twice.
    """
    from xpmlp.data.messages import quoted

    names = split_names(text) or []
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"--target names {quoted(twice)} twice: name each column once")
    return names if len(names) > 1 else text
