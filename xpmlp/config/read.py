"""Reading of one TOML file, with a sentence for every possible mistake in it."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from xpmlp._text import closest
from xpmlp.config.show import show
from xpmlp.config.value_types import SINGLE_QUOTES
from xpmlp.errors import ConfigError

MAX_BYTES = 1_000_000
"""Size limit of a config: a larger file is a mistaken argument, not worth parsing."""

MAX_KEY_PARTS = 16
"""Maximum number of parts of a key (a config's have two), since the parser's memory grows with their square."""

_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_\\-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_KEY_PARTS}}}")

_ESCAPE = re.compile("[Ee]scaped|hex value")
"""Words in the parser's messages about backslashes."""

_NOTATION = "; text needs quotes, a number a digit in front, true and false lower case"
"""Advice on a value that is none to TOML."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file.

    Raises
    ------
    ConfigError
        If the file is missing, unreadable, larger than ``MAX_BYTES``, not UTF-8 text, not TOML, or too deeply nested.
    """
    text = _decoded(_content(path), path)
    if _LONG_KEY.search(text):
        raise ConfigError(f"{path}: a dotted key has more than {MAX_KEY_PARTS} parts; a config's keys have two.")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: the values are nested too deeply for a config file.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_mistake(path, text, str(error))) from None
    except ValueError:  # the parser passes it on from int()
        raise ConfigError(f"{path}: an integer in this file has thousands of digits.") from None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_bytes_to_read(file))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file{_similar(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a folder; name the config file in it.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}.") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES:,} bytes, which no config file is; is it the right file?")
    return content


def _bytes_to_read(file: BinaryIO) -> int:
    """Return how many bytes to read: at most a file's reported size, which is 0 in /proc, where some files never end.

    A pipe has no size; one named on the command line is read up to the limit.
    """
    about = os.fstat(file.fileno())
    return min(about.st_size, MAX_BYTES + 1) if stat.S_ISREG(about.st_mode) else MAX_BYTES + 1


def _decoded(content: bytes, path: Path) -> str:
    try:
        text = content.decode("utf-8-sig")  # Windows editors put a byte order mark first
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigError(f"{path}: not a text file in UTF-8, as TOML is; is it the right file?")
    return text


def _similar(path: Path) -> str:
    """Return the end of a message about a missing file, suggesting a TOML file of a similar name beside it."""
    try:
        stems = [entry.stem for entry in path.parent.iterdir() if entry.suffix == ".toml"]
    except OSError:
        stems = []
    close = closest(path.stem, stems)
    return f"; did you mean '{path.with_name(close + '.toml')}'?" if close else "."


def _syntax_mistake(path: Path, text: str, message: str) -> str:
    """Reword the parser's message, with the position first and the offending line last."""
    lines = text.splitlines() or [""]
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if found:
        line, column = int(found[1]), int(found[2])
        message = message[: found.start()]
    else:
        line, column = len(lines), len(lines[-1]) + 1
    written = lines[line - 1].strip() if line <= len(lines) else ""
    advice = f"; {SINGLE_QUOTES}" if _ESCAPE.search(message) else _NOTATION if message == "Invalid value" else ""
    return f"{path}, line {line}, column {column}: not valid TOML ({message}): {show(written)}{advice}."
