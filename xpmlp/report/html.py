"""The page as one HTML file that needs no other: style and figures are in it, and no text of the data is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files

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

WIDE = 5
"""A table of so many columns is a list of cards on a phone."""

UNBROKEN = 24
"""A formula of so many letters is not broken over two lines."""

_SIGNS = {True: ("good", "✓ "), False: ("bad", "✗ "), None: ("none", "")}


def html(page: Page) -> str:
    """The text of the file."""
    style = files("xpmlp.report").joinpath("page.css").read_text(encoding="utf-8")
    links = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>' for one in page.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(page.title)}</title>\n<style>\n{style}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{escape(page.title)}</h1>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n{_blocks(page.lead)}\n</header>\n<main>\n'
        + "\n".join(map(_section, page.sections))
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    facts = f'<p class="facts">{_inlines(section.facts)}</p>\n' if section.facts else ""
    head = f'<section id="{section.anchor}">\n<h2>{escape(section.title)}</h2>\n'
    return f"{head}{facts}{_blocks(section.blocks)}\n</section>"


def _blocks(blocks: Sequence[Block]) -> str:
    return "\n".join(map(_block, blocks))


def _block(block: Block) -> str:
    match block:
        case Paragraph(parts):
            return f"<p>{_inlines(parts)}</p>"
        case Formulas(lines):
            return '<div class="formulas">' + "".join(f"<p>{_inline(Maths(line))}</p>" for line in lines) + "</div>"
        case Notice(text):
            return f'<p class="notice" role="note">{escape(text)}</p>'
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Gallery(pictures):
            return '<div class="gallery">' + "\n".join(map(_picture, pictures)) + "</div>"


def _table(table: Table) -> str:
    def kind(column: int) -> str:
        return ' class="number"' if column in table.numeric else ""

    head = "".join(f'<th scope="col"{kind(i)}>{escape(name)}</th>' for i, name in enumerate(table.columns))
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-column="{escape(table.columns[i])}"{kind(i)}>{_inline(cell)}</td>' for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    wide = ' class="wide"' if len(table.columns) >= WIDE else ""
    return (
        f'<div class="table"><table{wide}>\n<caption>{escape(table.caption)}{_sources(table.sources)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _picture(picture: Picture) -> str:
    caption = f"{escape(picture.caption)}{_sources([*picture.sources, *_images(picture)])}"
    return f"<figure>\n{_svg(picture)}\n<figcaption>{caption}</figcaption>\n</figure>"


def _images(picture: Picture) -> list[str]:
    return [f"{picture.stem.parent.name}/{picture.stem.name}.{kind}" for kind in ("png", "svg")]


def _svg(picture: Picture) -> str:
    """The figure's SVG as an element of the page: its ids are made the figure's own, its head is left out."""
    text = picture.stem.with_name(f"{picture.stem.name}.svg").read_text(encoding="utf-8")
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    prefix = f"{picture.stem.parent.name}-{picture.stem.name}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(picture.alt)}"', 1).strip()


def _sources(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    return f' <span class="sources">Files: {", ".join(_inline(Link(path, path)) for path in paths)}</span>'


def _inlines(parts: Sequence[Inline]) -> str:
    return "".join(map(_inline, parts))


def _inline(part: Inline) -> str:
    match part:
        case Code(text):
            return f"<code>{escape(text)}</code>"
        case Link(text, path):
            return f'<a href="{escape(path)}">{escape(text)}</a>'
        case Maths(text):
            kind = "maths" if len(text) > UNBROKEN else "maths short"
            return f'<span class="{kind}">{_maths(text)}</span>'
        case Verdict(text, holds):
            kind, sign = _SIGNS[holds]
            return f'<span class="verdict {kind}">{sign}{escape(text)}</span>'
        case str():
            return escape(part)


def _maths(text: str) -> str:
    """Subscripts and superscripts, of one letter or in braces, as HTML has them."""
    for sign, tag in (("_", "sub"), (r"\^", "sup")):
        text = re.sub(
            rf"{sign}(?:\{{([^}}]*)\}}|(\w))",
            lambda found, tag=tag: f"\0{tag}\1{found[1] or found[2]}\0/{tag}\1",  # type: ignore[misc]
            text,
        )
    return escape(text).replace("\0", "<").replace("\1", ">")
