"""Values and keys in TOML notation for messages: short and always on one line."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

from xpmlp._text import printable

MAX_LENGTH = 60


def show(value: Any) -> str:
    """Write a value as TOML, cut to ``MAX_LENGTH`` characters; control characters escaped, nested values left out."""
    if isinstance(value, list):
        return _cut(f"[{', '.join(map(_scalar, value[:MAX_LENGTH]))}]")
    if isinstance(value, dict):
        items = [f"{show_key(str(key))} = {_scalar(item)}" for key, item in islice(value.items(), MAX_LENGTH)]
        return _cut(f"{{ {', '.join(items)} }}" if items else "{}")
    return _cut(_scalar(value))


def show_key(key: str) -> str:
    """Write a key as TOML: bare if possible."""
    return key if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_LENGTH}}}", key) else show(key)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return '"none"'
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= 10**MAX_LENGTH:
            return "a huge integer"  # Python refuses to write out thousands of digits
        case dict():
            return "{...}"
        case list():
            return "[...]"
        case str() | Path():
            return printable(json.dumps(str(value), ensure_ascii=False))
        case _:
            return printable(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 3] + "..."
