"""``xpmlp data describe``: a table's columns, its target, and suspicious values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from xpmlp._text import aligned
from xpmlp.cli.options import target_names
from xpmlp.data.labels import MISSING
from xpmlp.data.messages import listed
from xpmlp.data.table_options import Given
from xpmlp.data.tables import KIND_SENTENCES, infer_schema, read_table
from xpmlp.data.tables.columns import type_pairs
from xpmlp.data.tables.describing import suggestions
from xpmlp.data.tables.targets import find_targets, read_targets


def described(path: Path, target: str | None, types: str | None, given: Given) -> dict[str, Any]:
    """Describe a table in values of JSON types."""
    table = read_table(path, given)
    data, targets = table.data, None
    names: tuple[str, ...] = ()
    about: dict[str, Any] = {"table": str(path), "rows": data.height, "notes": list(table.notes)}
    if target is not None:
        names = find_targets(data.columns, target if target in data.columns else target_names(target), str(path))
        targets = read_targets(data, names, "auto", MISSING, table.decimal, str(path))
        about["target"] = {
            "names": list(names),
            "task": targets.task,
            "why": targets.why,
            "missing": int((~targets.kept).sum()),
        }
        data = data.filter(pl.Series(targets.kept))
    schema = infer_schema(data, names or None, types=type_pairs(types), decimal=table.decimal)
    about["columns"] = [
        {**column, "encoding": KIND_SENTENCES[one.kind]}
        for one, column in zip(schema.columns, json.loads(schema.to_json())["columns"], strict=True)
    ]
    about["suggestions"] = suggestions(data, schema, targets, names)
    return about


def lines_of(about: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a description."""
    yield f"{about['table']}: {about['rows']:,} rows, {len(about['columns'])} columns to learn from"
    yield from about["notes"]
    if "target" in about:
        one = about["target"]
        gaps = f"; {one['missing']:,} rows have none" if one["missing"] else ""
        yield f"the target {listed(one['names'])} is {one['task']}: {one['why']}{gaps}"
    yield ""
    rows = [
        (
            column["name"],
            column["kind"],
            f"{column.get('missing', 0):,}",
            f"{column.get('distinct', 0):,}",
            column.get("shown", ""),
            column.get("why", ""),
        )
        for column in about["columns"]
    ]
    if rows:
        yield aligned(("column", "kind", "missing", "distinct", "values", "why"), rows)
        yield ""
    kinds = dict.fromkeys(column["kind"] for column in about["columns"])
    yield from (f"{kind}: {KIND_SENTENCES[kind]}" for kind in kinds)
    if about["suggestions"]:
        yield "\nwhat looks wrong, and is left as it is:"
        yield from (f"- {one}" for one in about["suggestions"])
