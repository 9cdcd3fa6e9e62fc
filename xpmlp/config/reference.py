"""Generation of docs/configuration.md from the models; reference.md holds the text around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from xpmlp.config.model import Config
from xpmlp.config.names import NameOf, names_in
from xpmlp.config.schema import JsonSchema, allowed, description, fields_of, json_schema, sections
from xpmlp.config.show import show


def markdown() -> str:
    """Write the reference of all sections and keys: the content of docs/configuration.md."""
    page = Path(__file__).with_name("reference.md").read_text(encoding="utf-8")
    tables = [_section(name, schema) for name, schema in sections(json_schema()).items()]
    return page.replace("<!-- sections -->", "\n".join(tables)).replace("<!-- names -->\n", "\n".join(_names()))


def _names() -> Iterator[str]:
    """Yield a table of the allowed names for each kind of record named by keys."""
    keys: dict[NameOf, list[str]] = {}
    for section in Config.model_fields:
        for key, field in fields_of(section).items() if section != "grid" else ():
            for found in names_in(field):
                keys.setdefault(found, []).append(f"`{section}.{key}`")
    for found, named_by in keys.items():
        head = [f"### {', '.join(named_by)}\n", f"| {found.kind} | what it is |", "|---|---|"]
        yield "\n".join([*head, *(f"| `{name}` | {found.sentence(name)} |" for name in found.listed()), ""])


def _section(name: str, schema: JsonSchema) -> str:
    rows = [_row(key, field, schema["properties"][key]) for key, field in fields_of(name).items()]
    head = ["| key | allowed | default | what it means |", "|---|---|---|---|"]
    return "\n".join([f"## `[{name}]`\n", schema["description"] + "\n", *head, *rows, ""])


def _row(key: str, field: FieldInfo, schema: JsonSchema) -> str:
    default = f"`{show(schema['default'])}`" if "default" in schema else "**required**"
    values = re.sub(r'"[^"]*"', r"`\g<0>`", allowed(schema))
    return f"| `{key}` | {values} | {default} | {description(field, with_names=False)} |"
