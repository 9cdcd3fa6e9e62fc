"""The JSON schema of a config file, and each key's allowed values in words."""

from __future__ import annotations

import json
from typing import Any

from pydantic.fields import FieldInfo

from xpmlp._records import OUTSIDE
from xpmlp.config.model import Config
from xpmlp.config.names import names_in

JsonSchema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOUNS = {"integer": "an integer", "number": "a finite number", "boolean": "true or false", "string": "a string"}
_BOUNDS = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "less than {}",
}


def json_schema() -> JsonSchema:
    """Build the JSON schema of a config file, for completion and checks in editors.

    It describes the file's notation: "none" where the models have None, and ``extends``, by which otherwise required
    keys may be inherited.
    """
    schema = _without_null(Config.model_json_schema())
    for name, section in sections(schema).items():
        for key, field in fields_of(name).items():
            section["properties"][key]["description"] = description(field, with_names=name != "grid")
    required = schema.pop("required")
    required_data = schema["$defs"]["DataConfig"].pop("required")
    schema["properties"]["extends"] = {
        "type": "string",
        "minLength": 1,
        "title": "Extends",
        "description": "The config file that this one completes and overrides, relative to this one.",
    }
    schema["if"] = {"not": {"required": ["extends"]}}
    schema["then"] = {"required": required, "properties": {"data": {"required": required_data}}}
    return {"$schema": _DIALECT, **schema, "title": "xpmlp config"}


def fields_of(section: str) -> dict[str, FieldInfo]:
    """Return the fields of a section of the config."""
    fields: dict[str, FieldInfo] = getattr(Config.model_fields[section].annotation, "model_fields", {})
    return fields


def description(field: FieldInfo, *, with_names: bool) -> str:
    """Describe a key in one line, with ``with_names`` also each record that it may name."""
    said = [" ".join((field.description or "").split())]
    for found in names_in(field) if with_names else ():
        said += [f"`{name}`: {found.sentence(name).rstrip('.')}." for name in found.listed()]
    return " ".join(said)


def sections(schema: JsonSchema) -> dict[str, JsonSchema]:
    """Extract each section's schema, by name and in order, from that of the whole file."""
    return {
        name: schema["$defs"][value["$ref"].rsplit("/", 1)[-1]]
        for name, value in schema["properties"].items()
        if "$ref" in value
    }


def allowed(schema: JsonSchema) -> str:
    """Describe the values allowed by the schema of one key: 'an integer of at least 1, or "none"'."""
    if "anyOf" in schema:
        said: list[str] = []
        for choice in (allowed(choice) for choice in schema["anyOf"] if not _is_outside(choice)):
            said.append("a table of these" if any(choice == f"a table, each value {one}" for one in said) else choice)
        return ", or ".join(said)
    choices = choices_of(schema)
    if choices:
        *most, last = (json.dumps(choice) for choice in choices)
        return f"{', '.join(most)} or {last}" if most else last
    if schema["type"] == "array":
        return f"a list, each item {allowed(schema['items'])}"
    if schema["type"] == "object" and "additionalProperties" not in schema:
        return f"a table with {' and '.join(schema['required'])}"
    if schema["type"] == "object":
        noun = "a non-empty table" if schema.get("minProperties") else "a table"
        return f"{noun}, each value {allowed(schema['additionalProperties'])}"
    if schema.get("format") == "path":
        return "a non-empty path"
    if "examples" in schema:
        *most, last = (json.dumps(example) for example in schema["examples"])
        return f"a string like {', '.join(most)} or {last}"
    noun = "a non-empty string" if "minLength" in schema else _NOUNS[schema["type"]]
    bounds = [text.format(_number(schema[bound])) for bound, text in _BOUNDS.items() if bound in schema]
    return " ".join([noun, " and ".join(bounds)]).rstrip()


def choices_of(schema: JsonSchema) -> list[str]:
    """Return the literals allowed for a key, or an empty list if it takes any value of its type."""
    if "anyOf" in schema:
        return [choice for part in schema["anyOf"] for choice in choices_of(part)]
    if "const" in schema:
        return [schema["const"]]
    return list(schema.get("enum", []))


def takes_outside(schema: JsonSchema) -> bool:
    """Whether a key allows ``module:object``, which `allowed` does not mention."""
    return any(_is_outside(part) or takes_outside(part) for part in schema.get("anyOf", []))


def _is_outside(schema: JsonSchema) -> bool:
    return OUTSIDE in schema.get("pattern", "")


def _without_null(schema: Any) -> Any:
    """Replace JSON's null, which TOML lacks, by the word "none"."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema == {"type": "null"}:
        return {"const": "none", "type": "string"}
    return {
        key: "none" if key == "default" and value is None else _without_null(value) for key, value in schema.items()
    }


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
