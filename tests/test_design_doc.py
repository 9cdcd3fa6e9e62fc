"""docs/design.md and CONTRIBUTING.md: everything that they name exists."""

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "design.md").read_text()
WALKS = TEXT[TEXT.index("## Five walks") : TEXT.index("## Adding to it")]
NAMES = sorted(set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", WALKS)))


def found(name: str) -> object:
    """Import as much of a dotted name as is a module, and take the rest from it."""
    parts, module = name.split("."), importlib.import_module("xpmlp")
    while parts:
        try:
            module = importlib.import_module(f"{module.__name__}.{parts[0]}")
        except ModuleNotFoundError:
            break
        del parts[0]
    return reduce(lambda place, part: getattr(place, part, None) or place.__annotations__[part], parts, module)


@pytest.mark.parametrize("name", NAMES)
def test_each_function_of_a_walk_is_there(name: str) -> None:
    assert found(name) is not None


def test_the_walks_are_five() -> None:
    assert len(re.findall(r"^\*\*.+\*\*", WALKS, re.MULTILINE)) == 5
    assert len(NAMES) > 30


def test_each_file_that_contributors_are_sent_to_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:tests|xpmlp|docs|examples)/[\w/.]*\w", text))
    assert len(named) > 25
    assert {name for name in named if not (ROOT / name).exists()} == set()
