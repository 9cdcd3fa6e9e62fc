"""Location of a config's file: by its path or, as ``xpmlp:NAME``, one shipped with the package."""

from __future__ import annotations

import os
import re
from pathlib import Path

from xpmlp._paths import with_home
from xpmlp.errors import ConfigError

PREFIX = "xpmlp:"
"""The prefix of a shipped config's name, which may stand in place of a path."""

_PACKAGE = Path(__file__).parents[1]

_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""The folders of the shipped configs: within an installed package, or beside it in a checkout."""


def shipped_config(name: str) -> Path:
    """Find a shipped config by its path in the configs' folder, as "table.toml".

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    found = [folder / name for folder in _FOLDERS if (folder / name).is_file()]
    if not found or not re.fullmatch(r"(\w[\w-]*/)*\w[\w-]*\.toml", name, flags=re.ASCII):
        folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
        if folder is None:
            raise ConfigError(f"the config {PREFIX}{name} is missing in {_FOLDERS[0]}: install xpmlp again.")
        names = ", ".join(sorted(PREFIX + one.name for one in folder.glob("*.toml")))
        raise ConfigError(f"xpmlp has no config {PREFIX}{name}; it has {names}.")
    return found[0]


def located(path: str | os.PathLike[str], folder: Path | None = None) -> Path:
    """Locate a config's file: a shipped one, or a path, relative to ``folder`` if given.

    Raises
    ------
    ConfigError
        If there is no such shipped config.
    """
    if isinstance(path, str) and path.startswith(PREFIX):
        return shipped_config(path.removeprefix(PREFIX))
    found = with_home(path)
    return found if folder is None else folder / found
