"""A config file in a temporary folder, and the lines of the error raised by loading it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xpmlp.config import load_config
from xpmlp.errors import ConfigError

Write = Callable[..., Path]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config file and give its path."""

    def write(text: str, name: str = "net.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def mistakes(write: Write, tmp_path: Path) -> Mistakes:
    """Load a config file that is refused, and give the error's lines, the temporary folder's name taken out."""

    def mistakes(text: str | Path, overrides: dict[str, Any] | None = None) -> list[str]:
        path = text if isinstance(text, Path) else write(text)
        with pytest.raises(ConfigError) as error:
            load_config(path, overrides)
        assert error.value.exit_status == 2
        return str(error.value).replace(f"{tmp_path}/", "").splitlines()

    return mistakes
