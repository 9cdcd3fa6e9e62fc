"""The page as Markdown, for those who read or compare it as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xpmlp.report.document import (
    Block,
    Code,
    Formulas,
    Gallery,
    Inline,
    Link,
    Maths,
    Notice,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
    Verdict,
)

_SIGNS = {True: "✓ ", False: "✗ ", None: ""}


def markdown(page: Page) -> str:
    """The text of the file."""
    parts = [f"# {_escape(page.title)}", *map(_block, page.lead), *map(_section, page.sections)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    facts = [_inlines(section.facts)] if section.facts else []
    return "\n\n".join([f"## {_escape(section.title)}", *facts, *map(_block, section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Paragraph(parts):
            return _inlines(parts)
        case Formulas(lines):
            return "\n".join(f"    {line}" for line in lines)
        case Notice(text):
            return f"> **{_escape(text)}**"
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Gallery(pictures):
            return "\n\n".join(map(_picture, pictures))


def _table(table: Table) -> str:
    rule = ["---:" if column in table.numeric else "---" for column in range(len(table.columns))]
    rows = [list(map(_escape, table.columns)), rule, *([_inline(cell) for cell in row] for row in table.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + f"\n\n{_escape(table.caption)}{_sources(table.sources)}"


def _picture(picture: Picture) -> str:
    image = f"{picture.stem.parent.name}/{picture.stem.name}.png"
    return f"![{_escape(picture.alt)}]({image})\n\n{_escape(picture.caption)}{_sources(picture.sources)}"


def _sources(paths: Sequence[str]) -> str:
    return f" Files: {', '.join(_inline(Link(path, path)) for path in paths)}." if paths else ""


def _inlines(parts: Sequence[Inline]) -> str:
    return "".join(map(_inline, parts))


def _inline(part: Inline) -> str:
    match part:
        case Code(text) | Maths(text):
            return f"`{text.replace('`', ' ').replace('|', '∣')}`"  # a bar would end a table's cell
        case Link(text, path):
            return f"[{_escape(text)}]({path})"
        case Verdict(text, holds):
            return f"{_SIGNS[holds]}{_escape(text)}"
        case str():
            return _escape(part)


def _escape(text: str) -> str:
    """Text without what Markdown or HTML would take for markup, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split("\n")))
