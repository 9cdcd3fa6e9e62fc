"""Text from files and paths, fit to be shown on a terminal."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    """``text`` with what would garble a terminal, or send it commands, written as escapes; line ends stay.

    The escapes are those of JSON and TOML, so that a config stays one.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )
