"""Loading of a config file, the files it extends, and overrides, as a validated ``Config``."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xpmlp.config.explain import explain
from xpmlp.config.metrics import meant_by
from xpmlp.config.model import Config
from xpmlp.config.read import read_toml
from xpmlp.config.sections import INSTEAD_OF_LAYERS
from xpmlp.config.shipped import located
from xpmlp.config.show import show
from xpmlp.config.value_types import MISTAKEN_ESCAPE, SINGLE_QUOTES, is_mistaken_escape
from xpmlp.errors import ConfigError

NUMBER = re.compile(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
"""Numbers that are none to TOML."""

MAX_EXTENDS = 10
"""Maximum number of files in a chain of ``extends``."""

METRIC = "train.metric"

_PATHS = ("root", "path", "test", "validation")
"""The keys of ``[data]`` with paths relative to their file."""


class _Draft:
    """Merged tables, not yet validated, with the origin of each value."""

    def __init__(self, file: Path) -> None:
        self.tables: dict[str, Any] = {}
        self._file = file
        self._origins: dict[tuple[str, ...], str] = {}

    def lay(self, tables: Mapping[str, Any], origin: str) -> None:
        """Merge tables over the present ones, key by key, after the settings implied by a metric among them.

        ``origin`` is the prefix of messages about them.
        """
        if meant := meant_by(tables):
            self.lay(meant, origin)
        for section, table in tables.items():
            self._origins[section,] = origin
            if isinstance(table, dict):
                under = self.tables.get(section)
                if isinstance(under, dict):
                    under = _replaced_in[section](under, table) if section in _replaced_in else under
                self.tables[section] = {**under, **table} if isinstance(under, dict) else table
                self._origins.update({(section, key): origin for key in table})
            else:
                self.tables[section] = table

    def origin(self, location: tuple[str, ...]) -> str:
        """Return the origin of the value at a location, or of its section, or else the file being loaded."""
        of_section = self._origins.get(location[:1], f"{self._file}: ")
        return self._origins.get(location, of_section)


def load_config(
    path: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None, *, origin: str = ""
) -> Config:
    """Load a config file.

    Parameters
    ----------
    path
        A TOML file, or ``xpmlp:NAME`` for one shipped with the package.  If it ``extends`` another, its keys override
        that file's.
    overrides
        Values by dotted key, ``{"train.epochs": 1}``, which override the file's.  Paths among them are relative to the
        working directory, those in a file to that file.  Arrays and tuples count as lists, NumPy's scalars as Python's.
        A record stands for its name.
    origin
        What messages about overrides begin with, such as ``"--set "``.

    Raises
    ------
    ConfigError
        If a file cannot be read, or for unknown keys and invalid values, with one line for each.

    Examples
    --------
    >>> config = load_config("xpmlp:quickstart.toml", {"train.epochs": 2})
    >>> config.data.name, config.train.epochs
    ('digits', 2)
    """
    file = located(path)  # an impossible file name is refused when the file is read
    draft = _Draft(file)
    chain = _chain(file)
    for source, tables in reversed(chain):
        draft.lay(_anchored(tables, source.parent), f"{source}: ")
    for key, value in sorted((overrides or {}).items(), key=lambda item: item[0] != METRIC):  # others override it
        section, _, name = key.partition(".")
        plain = _plain(value)
        draft.lay({section: {name: plain}} if name else {key: plain}, origin)
    try:
        files = tuple(source.absolute() for source, _ in chain)
        return Config.model_validate(draft.tables, context={"name": file.stem, "files": files})
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    mistakes += _rules_broken_besides(draft.tables, mistakes)
    raise ConfigError(explain(mistakes, draft.origin))


def parse_override(text: str) -> tuple[str, Any]:
    """Parse the argument of ``--set``: "train.epochs=1" gives ("train.epochs", 1).

    The value is TOML, or a number such as ``.1`` or ``1.``.  Anything else that does not begin like a quoted string, a
    list or a table is taken as a string, so that ``backend.name=torch`` needs no quotes that a shell would remove.

    Raises
    ------
    ConfigError
        If there is no ``=`` or nothing on one side of it, a malformed string, list or table, or invalid Unicode.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ConfigError(f"--set {show(text)}: there is no '='; write --set section.key=value, as train.epochs=1.")
    if not key or not value:
        missing = "key before" if not key else "value after"
        raise ConfigError(f"--set {show(text)}: there is no {missing} the '='; write --set section.key=value.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"--set {show(text)}: not valid Unicode text.") from None
    try:
        tables = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        tables = {}
    if list(tables) == ["value"]:
        return key, tables["value"]
    if NUMBER.fullmatch(value):
        return key, float(value)
    if value[0] in "\"'[{" or "\n" in value:
        advice = f"; {SINGLE_QUOTES}" if "\\" in value else ""
        raise ConfigError(f"--set {show(text)}: {show(value)} is not a valid TOML value{advice}.")
    return key, value


def _chain(file: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Read the file and those it extends, nearest first, each with its tables."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    while True:
        if len(chain) == MAX_EXTENDS:
            raise ConfigError(f"{chain[0][0]}: more than {MAX_EXTENDS} files extend one another; merge some of them.")
        try:
            tables = read_toml(file)
        except ConfigError as error:
            if not chain:
                raise
            raise ConfigError(f"{chain[-1][0]} extends {error}") from None
        if file.resolve() in seen:
            names = " -> ".join(str(path) for path, _ in chain)
            raise ConfigError(f"{chain[-1][0]}: extends goes round in a circle: {names} -> {file}.")
        seen.append(file.resolve())
        chain.append((file, tables))
        if "extends" not in tables:
            return chain
        base = tables.pop("extends")
        if not isinstance(base, str) or not base:
            raise ConfigError(f"{file}: extends = {show(base)} is not allowed: give the name of another config file.")
        try:
            below, file = file, located(base, file.parent)
        except ConfigError as error:
            raise ConfigError(f"{file}: extends = {show(base)} is not allowed: {error}") from None
        if is_mistaken_escape(file):
            raise ConfigError(f"{below}: extends = {show(base)} has {MISTAKEN_ESCAPE}.")
        if _may_never_end(file):
            raise ConfigError(f"{below}: extends = {show(base)} is not allowed: it is no file.")


def _plain(value: Any) -> Any:
    """Convert arrays and tuples to lists, and array libraries' scalars to Python's, also within lists and tables.

    Records, which are tuples with fields, stay as they are.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _besides_layers(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Drop ``layers`` from ``[model]``, or the keys that stand for them, if an overriding table sets the other."""
    gone = INSTEAD_OF_LAYERS if over.get("layers") else ("layers",) if {*INSTEAD_OF_LAYERS} & {*over} else ()
    return {key: value for key, value in under.items() if key not in gone}


def _besides_arrays(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Drop the name from ``[data]`` if it stands for arrays from Python and an overriding table has a path."""
    is_path_given = over.get("path") not in (None, "none") and under.get("name") == "arrays"
    return {key: value for key, value in under.items() if not (is_path_given and key == "name")}


_replaced_in = {"model": _besides_layers, "data": _besides_arrays}
"""By section: a function that drops the keys replaced by an overriding table."""


def _may_never_end(path: Path) -> bool:
    """Whether a path is neither a file nor a folder: reading a pipe or a terminal might never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _anchored(tables: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths in ``[data]`` absolute, taking them as relative to the folder of their file."""
    data = tables.get("data")
    if not isinstance(data, dict):
        return tables
    folder = folder.absolute()
    anchored = {
        key: str(folder / value)
        for key, value in data.items()
        if key in _PATHS and isinstance(value, str) and value not in ("", "none")
        if not value.startswith(("~", "file://")) and not is_mistaken_escape(folder / value)
    }
    return {**tables, "data": {**data, **anchored}}


def _rules_broken_besides(tables: dict[str, Any], mistakes: list[ErrorDetails]) -> list[ErrorDetails]:
    """Find the rules broken by values that are valid in themselves.

    pydantic checks rules only if every field is valid; to report all mistakes at once, the invalid fields are removed
    and the rest is validated again.
    """
    wrong = {".".join(map(str, mistake["loc"][:2])) for mistake in mistakes}
    fine = {
        section: {key: value for key, value in table.items() if f"{section}.{key}" not in wrong}
        for section, table in tables.items()
        if section in Config.model_fields and isinstance(table, dict)
    }
    fine["data"] = {"name": "digits"} | fine.get("data", {})
    try:
        Config.model_validate(fine)
    except ValidationError as error:
        return [mistake for mistake in error.errors() if wrong.isdisjoint(mistake["ctx"]["keys"])]
    return []
