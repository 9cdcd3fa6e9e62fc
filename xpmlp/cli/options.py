"""The options that several commands share, and the config that they amount to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xpmlp._paths import given_path


def file_option(name: str, metavar: str, text: str, *short: str) -> Any:
    """An option that is a path."""
    return typer.Option(name, *short, parser=given_path, metavar=metavar, help=text)


def _find_code_here(allowed: bool) -> bool:
    """Have Python look for modules in the working directory, too, once it is through with all other places."""
    if allowed:
        sys.path.append(str(Path.cwd()))
    return allowed


ConfigFile = Annotated[
    Path,
    typer.Argument(parser=given_path, metavar="CONFIG", help="A TOML file, for example configs/quickstart.toml."),
]
RunDir = Annotated[
    Path, typer.Argument(parser=given_path, metavar="RUN_DIR", help="A folder that `xpmlp train` has written.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the config, as `--set train.epochs=1`; repeatable."
    ),
]
BackendName = Annotated[
    str | None, typer.Option("--backend", metavar="NAME", help="auto, or one that `xpmlp backends` lists.")
]
DeviceName = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="As the library names it: cpu, cuda:0, mps ...")
]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        callback=_find_code_here,
        help="Import the code that the config names as `module:object`, from the working directory or PYTHONPATH.",
    ),
]
RunNumber = Annotated[
    str | None, typer.Option("--run", metavar="K", help="Which run of a grid: its number, or `best`.")
]
Force = Annotated[bool, typer.Option("--force", help="Resume even with another config or other data than before.")]


def of_table(name: str, metavar: str, text: str) -> Any:
    """An option that says something of a table."""
    return typer.Option(name, metavar=metavar, help=f"{text} (tables).")


TargetColumns = Annotated[
    str | None, of_table("--target", "NAME", "The column to predict, or several with commas between")
]
Features = Annotated[str | None, of_table("--features", "NAMES", "The columns to learn from [default: all]")]
Drop = Annotated[str | None, of_table("--drop", "NAMES", "Columns to leave out")]
Weights = Annotated[str | None, of_table("--weights", "NAME", "The column that says how much a row counts")]
Group = Annotated[
    str | None, of_table("--group", "NAME", "The column of groups that are never on both sides of a split")
]
Time = Annotated[str | None, of_table("--time", "NAME", "The column by which the newest rows are the test part")]
MetricName = Annotated[
    str | None, of_table("--metric", "NAME", "The figure that counts: log_loss, error or auc; rmse or mae")
]
TaskName = Annotated[str | None, of_table("--task", "TASK", "classes or values [default: found out]")]
Types = Annotated[str | None, of_table("--types", "KINDS", "Kinds, as `zip=category,size=small<medium<large`")]
Separator = Annotated[str | None, of_table("--separator", "C", "What is between fields of a CSV file")]
Decimal = Annotated[str | None, of_table("--decimal", "C", "The sign before a fraction, . or ,")]
Encoding = Annotated[str | None, of_table("--encoding", "NAME", "The encoding of a CSV file, as cp1250")]
Quote = Annotated[str | None, of_table("--quote", "C", "The character around fields of a CSV file")]
Comment = Annotated[str | None, of_table("--comment", "C", "How lines of a CSV file begin that are comments")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether a CSV file begins with the columns' names (tables)."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def overriding(texts: list[str] | None) -> dict[str, Any]:
    """The arguments of ``--set`` as values by dotted key."""
    from xpmlp.config import parse_override

    return dict(map(parse_override, texts or []))


def load(config: Path, overrides: list[str] | None, backend: str | None = None, device: str | None = None) -> Any:
    """The config of a command, with its overrides; another backend does not inherit the config's device."""
    from xpmlp.config import load_config

    return load_config(config, placed(overriding(overrides), backend, device))


def placed(values: dict[str, Any], backend: str | None, device: str | None) -> dict[str, Any]:
    """Values by dotted key, with the place where to compute; another backend does not inherit the config's device."""
    if backend is not None:
        values |= {"backend.name": backend, "backend.device": "none"}
    if device is not None:
        values["backend.device"] = device
    return values


def split_names(text: str | None) -> list[str] | None:
    """The names in a list that is separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
