"""Conversion of pydantic's errors to sentences for the file's author."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from xpmlp._text import closest
from xpmlp.config.layers import RULE
from xpmlp.config.schema import JsonSchema, allowed, choices_of, json_schema, sections, takes_outside
from xpmlp.config.show import show, show_key

MAX_MISTAKES = 30


def explain(errors: Sequence[ErrorDetails], origin: Callable[[tuple[str, ...]], str]) -> str:
    """Write one line for each error: its place, the value given, the values allowed, and perhaps a suggestion.

    Parameters
    ----------
    errors
        The result of ``ValidationError.errors()``.
    origin
        Returns the prefix of a message about a location: ``"mnist.toml: "``, ``"--set "`` or nothing.
    """
    schemas = sections(json_schema())
    lines = []
    for error in errors[:MAX_MISTAKES]:
        section, *place = map(str, error["loc"])
        lines.append(origin((section, *place[:1])) + _sentence(error, section, place, schemas))
    if len(errors) > MAX_MISTAKES:
        lines.append(f"... and {len(errors) - MAX_MISTAKES} more.")
    return "\n".join(lines)


def _sentence(error: ErrorDetails, section: str, place: list[str], schemas: dict[str, JsonSchema]) -> str:
    """Word one error; ``place`` is the key in the section, and the position within its value."""
    given = error["input"]
    if section not in schemas:
        return _unknown_section(section, given, schemas)
    properties = schemas[section]["properties"]
    if error["type"] == "missing":
        return f"data.name is missing: give {allowed(schemas['data']['properties']['name'])}."
    if not place:
        return f"{section} = {show(given)} is not allowed: [{section}] is a table of keys with values."
    key, *within = place
    if key not in properties:
        return _unknown_key(section, key, given, schemas)
    where = "".join(f"[{part}]" if part.isdecimal() else f".{show_key(part)}" for part in within)
    subject = f"{section}.{key}{where} = {show(given)}"
    if error["type"] == RULE:
        return f"{subject} {error['msg']}"
    schema = error.get("ctx", {}).get("schema")
    if schema is None:
        schema = functools.reduce(lambda outer, _: outer["items"], within, properties[key])
    return f"{subject} is not allowed: {advice(given, schema)}"


def advice(given: Any, schema: JsonSchema) -> str:
    """Say which values a schema allows, and perhaps which of them was meant."""
    return f"give {allowed(schema)}{_meant_choice(given, schema)}"


def _unknown_section(name: str, given: Any, schemas: dict[str, JsonSchema]) -> str:
    if not isinstance(given, dict):
        homes = " or ".join(f"{home}.{name}" for home in _homes(name, schemas))
        hint = f"it belongs in a section: did you mean {homes}?" if homes else _sections_are(schemas)
        return f"{show_key(name)} = {show(given)}: there is no such key at the top level; {hint}"
    close = closest(name, schemas)
    hint = f"did you mean [{close}]?" if close else _sections_are(schemas)
    return f"[{show_key(name)}]: there is no such section; {hint}"


def _homes(key: str, schemas: dict[str, JsonSchema]) -> list[str]:
    """Return the sections that have a key; [grid], which has lists of other sections' values, only if no other has."""
    homes = [section for section in schemas if key in schemas[section]["properties"]]
    return [home for home in homes if home != "grid"] or homes


def _sections_are(schemas: dict[str, JsonSchema]) -> str:
    return f"the sections are {', '.join(f'[{section}]' for section in schemas)}."


def _unknown_key(section: str, key: str, given: Any, schemas: dict[str, JsonSchema]) -> str:
    names = list(schemas[section]["properties"])
    homes = " or ".join(f"[{home}]" for home in _homes(key, schemas))
    close = closest(key, names)
    if key == "extends":
        hint = "it belongs at the top of the file, above all sections."
    elif homes:
        hint = f"it belongs in {homes}."
    elif close:
        hint = f"did you mean '{close}'?"
    else:
        hint = f"[{section}] takes {', '.join(names)}."
    return f"{section}.{show_key(key)} = {show(given)}: there is no such key in [{section}]; {hint}"


def _meant_choice(given: Any, schema: JsonSchema) -> str:
    if not isinstance(given, str):
        return "."
    if ":" in given and takes_outside(schema):
        return '; or "module:object", the name of one of your own.'
    close = closest(given, choices_of(schema))
    return f'; did you mean "{close}"?' if close else "."
