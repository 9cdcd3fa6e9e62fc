"""pydantic's errors as sentences for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from xpmlp._text import closest
from xpmlp.config.layers import RULE
from xpmlp.config.schema import Schema, allowed, choices_of, json_schema, sections, takes_outside
from xpmlp.config.show import show, show_key

MAX_MISTAKES = 30


class _Mistake(NamedTuple):
    """One of pydantic's errors, its location taken apart: ``section``, ``key`` and the place within the value."""

    kind: str
    section: str
    key: str | None
    rest: list[str]
    given: Any
    message: str
    schema: Schema | None


def explain(errors: Sequence[ErrorDetails], origin: Callable[[tuple[str, ...]], str]) -> str:
    """One line for each error: where it is, what was given, what is allowed, and perhaps what was meant.

    Parameters
    ----------
    errors
        As given by ``ValidationError.errors()``.
    origin
        The prefix of a message about a location: ``"mnist.toml: "`` or ``"--set "``.
    """
    schemas = sections(json_schema())
    lines = []
    for error in errors[:MAX_MISTAKES]:
        section, *rest = map(str, error["loc"])
        key = rest.pop(0) if rest else None
        schema = error.get("ctx", {}).get("schema")
        mistake = _Mistake(error["type"], section, key, rest, error["input"], error["msg"], schema)
        prefix = origin((section,) if key is None else (section, key))
        lines.append(prefix + _sentence(mistake, schemas))
    if len(errors) > MAX_MISTAKES:
        lines.append(f"... and {len(errors) - MAX_MISTAKES} more.")
    return "\n".join(lines)


def _sentence(mistake: _Mistake, schemas: dict[str, Schema]) -> str:
    section, key = mistake.section, mistake.key
    if section not in schemas:
        return _unknown_section(section, mistake.given, schemas)
    properties = schemas[section]["properties"]
    if mistake.kind == "missing":
        return f"data.name is missing: give {allowed(schemas['data']['properties']['name'])}."
    if key is None:
        return f"{section} = {show(mistake.given)} is not allowed: [{section}] is a table of keys with values."
    if key not in properties:
        return _unknown_key(section, key, mistake.given, schemas)
    place = "".join(f"[{part}]" if part.isdecimal() else f".{show_key(part)}" for part in mistake.rest)
    subject = f"{section}.{key}{place} = {show(mistake.given)}"
    if mistake.kind == RULE:
        return f"{subject} {mistake.message}"
    schema = mistake.schema or properties[key]
    for _ in mistake.rest if mistake.schema is None else ():
        schema = schema["items"]
    return f"{subject} is not allowed: give {allowed(schema)}{_meant_choice(mistake.given, schema)}"


def _unknown_section(name: str, given: Any, schemas: dict[str, Schema]) -> str:
    if not isinstance(given, dict):
        home = next((section for section in schemas if name in schemas[section]["properties"]), None)
        hint = f"it belongs in a section: did you mean {home}.{name}?" if home else _sections_are(schemas)
        return f"{show_key(name)} = {show(given)}: there is no such key at the top level; {hint}"
    close = closest(name, schemas)
    hint = f"did you mean [{close}]?" if close else _sections_are(schemas)
    return f"[{show_key(name)}]: there is no such section; {hint}"


def _sections_are(schemas: dict[str, Schema]) -> str:
    return f"the sections are {', '.join(f'[{section}]' for section in schemas)}."


def _unknown_key(section: str, key: str, given: Any, schemas: dict[str, Schema]) -> str:
    names = list(schemas[section]["properties"])
    elsewhere = [name for name in schemas if key in schemas[name]["properties"]]
    close = closest(key, names)
    if elsewhere:
        hint = f"it belongs in [{elsewhere[0]}]."
    elif close:
        hint = f"did you mean '{close}'?"
    else:
        hint = f"[{section}] takes {', '.join(names)}."
    return f"{section}.{show_key(key)} = {show(given)}: there is no such key in [{section}]; {hint}"


def _meant_choice(given: Any, schema: Schema) -> str:
    if not isinstance(given, str):
        return "."
    if ":" in given and takes_outside(schema):
        return '; or "module:object", the name of one of your own.'
    close = closest(given, choices_of(schema))
    return f'; did you mean "{close}"?' if close else "."
