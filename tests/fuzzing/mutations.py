"""Mutations independent of formats: of bytes, and of JSON values."""

from __future__ import annotations

import json
from random import Random
from typing import Any

INTERESTING = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32_767, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63, 2**64)
"""Numbers around which sizes and indices go wrong."""


def damaged(content: bytes, random: Random, at_most: int = 4) -> bytes:
    """``content`` with a few bytes changed, inserted, doubled or taken out."""
    changed = bytearray(content)
    for _ in range(random.randint(1, at_most)):
        position = random.randrange(len(changed) + 1)
        length = random.choice((1, 1, 2, 4, 8, 30))
        match random.randrange(5):
            case 0:
                changed[position : position + 1] = bytes([random.randrange(256)])
            case 1:
                changed[position : position + length] = b""
            case 2:
                changed[position:position] = changed[position : position + length]
            case 3:
                changed[position:position] = random.choice((b"\0", b"\xff", b"\n", b'"', b"\x1b[31m")) * length
            case _:
                size = random.choice((1, 2, 4, 8))
                number = random.choice(INTERESTING) % 256**size
                changed[position : position + size] = number.to_bytes(size, random.choice(("little", "big")))
    return bytes(changed)


def cut_or_extended(content: bytes, random: Random) -> bytes:
    """``content`` without its end, or with something after it."""
    if random.random() < 0.5:
        return content[: random.randrange(len(content) + 1)]
    return content + random.choice((b"\0", b"\n", content, bytes(random.randrange(1, 5000))))


def number(random: Random) -> int:
    """A whole number that a header should not have, or might."""
    return random.choice((1, 1, -1)) * (random.choice(INTERESTING) + random.choice((-1, 0, 1)))


def json_value(random: Random, depth: int = 0) -> Any:
    """Any of JSON's values, and some that only Python's reader takes for one."""
    match random.randrange(9 if depth < 3 else 7):
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return number(random)
        case 3:
            return random.choice((0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf")))
        case 4:
            return 10 ** random.choice((19, 40, 400))
        case 5 | 6:
            return random.choice(("", "a", "tanh", "softmax", "\0", "=1+1", "\x1b[31m", "é大", "x" * 1000))
        case 7:
            return [json_value(random, depth + 1) for _ in range(random.randrange(4))]
        case _:
            return {str(json_value(random, 3)): json_value(random, depth + 1) for _ in range(random.randrange(3))}


def json_with_a_change(value: Any, random: Random) -> Any:
    """``value`` with something in it, at any depth, replaced, left out, doubled or added."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.15:
        return json_value(random)
    places = list(value) if isinstance(value, dict) else range(len(value))
    place = random.choice(places)
    changed = json.loads(json.dumps(value))
    match random.randrange(6):
        case 0:
            del changed[place]
        case 1 if isinstance(changed, list):
            changed.insert(place, changed[place])
        case 1:
            changed[str(json_value(random, 3))] = changed[place]
        case _:
            changed[place] = json_with_a_change(changed[place], random)
    return changed
