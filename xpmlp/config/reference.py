"""docs/configuration.md, written from the models."""

from __future__ import annotations

import re

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


def markdown() -> str:
    """The reference of all sections and keys: the content of docs/configuration.md."""
    parts = ["<!-- Written by `python -m xpmlp.config`; change the models in xpmlp/config/sections.py instead. -->"]
    parts.append(_INTRODUCTION)
    parts += [_section(name, schema) for name, schema in sections(json_schema()).items()]
    return "\n".join(parts)


def _section(name: str, schema: Schema) -> str:
    rows = [_row(key, field) for key, field in schema["properties"].items()]
    head = ["| key | allowed | default | what it means |", "|---|---|---|---|"]
    return "\n".join([f"## `[{name}]`\n", schema["description"] + "\n", *head, *rows, ""])


def _row(key: str, schema: Schema) -> str:
    default = f"`{show(schema['default'])}`" if "default" in schema else "**required**"
    values = re.sub(r'"[^"]*"', r"`\g<0>`", allowed(schema))
    return f"| `{key}` | {values} | {default} | {schema['description']} |"
