"""HTML of texts, tables and figures; external content is always escaped as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from xpmlp._text import printable
from xpmlp._version import __version__

LONGEST, SENTENCES = 200, 2_000
"""Maximum number of characters shown of a text, such as a label, and of a paragraph."""

SCRIPTS = ("forward.js", "encoder.js", "page.js")


class Markup(str):
    """Text that is already HTML."""


def text(value: object, longest: int = LONGEST) -> Markup:
    """Convert a value to text for HTML, also in attributes: escaped, without invisible characters, shortened."""
    if isinstance(value, Markup):
        return value
    shown = str(value)
    shown = shown if len(shown) <= longest else f"{shown[:longest]}…"
    return Markup(escape(printable(shown)))


def joined(parts: Iterable[object]) -> Markup:
    """Concatenate parts, escaping those that are not markup."""
    return Markup("".join(map(text, parts)))


def element(tag: str, *parts: object, **attributes: object) -> Markup:
    """Make an element.

    An attribute ``class_`` is written as ``class``, and ``data_x`` as ``data-x``.  One that is ``True`` is written
    without a value, and one that is ``None`` or ``False`` is left out.
    """
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    told = "".join(
        f" {names[name]}" if value is True else f' {names[name]}="{text(value)}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if tag in ("input", "img", "meta", "br") else f"{joined(parts)}</{tag}>"
    return Markup(f"<{tag}{told}>{end}")


def paragraph(*parts: object, **attributes: object) -> Markup:
    """Make a paragraph."""
    return element("p", *(text(part, SENTENCES) for part in parts), **attributes)


def section(anchor: str, title: str, *parts: object) -> Markup:
    """Make a section with a heading."""
    return element("section", element("h2", title, id=anchor), *parts, aria_labelledby=anchor)


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, texts: int = 1) -> Markup:
    """Make a table with row headings in its first column; all but the first ``texts`` columns are numbers."""
    kinds = ["text" if place < texts else "number" for place in range(len(head))]
    heads = [element("th", cell, scope="col", class_=kind) for cell, kind in zip(head, kinds, strict=True)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    ]
    made = element(
        "table",
        element("caption", text(caption, SENTENCES)),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
    )
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def figure(caption: object, *parts: object) -> Markup:
    """Make a figure."""
    return element("figure", *parts, element("figcaption", text(caption, SENTENCES)))


def data_block(anchor: str, value: Any) -> Markup:
    """Embed data for the page's script, as JSON without any character that could end the element."""
    content = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{anchor}">{content}</script>')


def document(title: str, parts: Iterable[object], scripts: Sequence[str] = SCRIPTS) -> str:
    """Lay out the whole file, and end it with a footer.

    Its content security policy allows only its own script and style, and no loading.
    """
    foot = element("footer", paragraph(f"Made by xpmlp {__version__}. This file loads nothing and sends nothing."))
    here = files("xpmlp.pages")
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    script = "\n".join(['"use strict";', *(here.joinpath(name).read_text(encoding="utf-8") for name in scripts)])
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{joined(parts)}{foot}\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
