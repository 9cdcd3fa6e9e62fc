"""docs/configuration.md, written from the models."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from xpmlp.config.model import Config
from xpmlp.config.names import names_in
from xpmlp.config.schema import Schema, allowed, json_schema, sections
from xpmlp.config.show import show

_INTRODUCTION = """\
# Configuration

A config file is TOML. It says what to train, on which data, and on which backend; every key but one has a default,
so that this is a whole file:

```toml
[data]
name = "digits"
```

A key or a value that is not allowed stops the program before anything else happens, with one line for each mistake.

## One file on top of another

`extends` at the top of a file names another, relative to the first. Its keys are taken over, and the keys of the
file that extends it are laid over them, key by key:

```toml
extends = "mnist.toml"

[backend]
name = "cupy"
device = "cuda:0"
```

`extends = "xpmlp:table.toml"` takes over a config that comes with the package.

TOML has no null: where a key allows `"none"`, that word takes back what the other file set.

## Values from the command line

`--set` lays single values over the file's, as often as it is given; values are TOML, and a plain word needs no
quotes. `--backend` and `--device` are short for two of them:

```console
xpmlp train configs/mnist.toml --set train.epochs=1 --set 'model.hidden_layer_sizes=[300, 100]'
xpmlp train configs/mnist.toml --backend torch --device cpu
```

Paths given in this way are relative to the working directory; paths in a file are relative to that file. `~` is
your home folder.

`xpmlp config show FILE` prints what comes out of all this. `xpmlp config schema > xpmlp.schema.json` writes a JSON
schema; an editor with TOML support completes and checks a file that begins with `#:schema xpmlp.schema.json`.
"""

_NAMES = """\
## Names

A name below is that of a record in a table. In its place `"module:object"` names a record of your own, which
[extending.md](extending.md) shows how to write. It is code, so every command that would import it refuses to, unless
`--allow-code` is given (in Python `allow_code=True`). A run folder holds the name alone.
"""


def markdown() -> str:
    """The reference of all sections and keys: the content of docs/configuration.md."""
    parts = ["<!-- Written by `python -m xpmlp.config`; change the models in xpmlp/config/sections.py instead. -->"]
    parts.append(_INTRODUCTION)
    parts += [_section(name, schema) for name, schema in sections(json_schema()).items()]
    return "\n".join([*parts, _NAMES, *filter(None, _names())])


def _names() -> Iterator[str]:
    """A table for each key whose values are names, of those that have a sentence."""
    for section, about in Config.model_fields.items():
        fields: dict[str, FieldInfo] = getattr(about.annotation, "model_fields", {}) if section != "grid" else {}
        for key, field in fields.items():
            for found in names_in(field):
                rows = [f"| `{name}` | {sentence} |" for name in found.listed() if (sentence := found.sentence(name))]
                head = [f"### `{section}.{key}`\n", f"| {found.kind} | what it is |", "|---|---|"]
                yield "\n".join([*head, *rows, ""]) if rows else ""


def _section(name: str, schema: Schema) -> str:
    rows = [_row(key, field) for key, field in schema["properties"].items()]
    head = ["| key | allowed | default | what it means |", "|---|---|---|---|"]
    return "\n".join([f"## `[{name}]`\n", schema["description"] + "\n", *head, *rows, ""])


def _row(key: str, schema: Schema) -> str:
    default = f"`{show(schema['default'])}`" if "default" in schema else "**required**"
    values = re.sub(r'"[^"]*"', r"`\g<0>`", allowed(schema))
    return f"| `{key}` | {values} | {default} | {schema['description']} |"
