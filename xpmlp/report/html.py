"""The page as one self-contained HTML file, including style and figures; all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from xpmlp.report import document
from xpmlp.report.document import Link, Maths, Page, Writer

WIDE = 5
"""Minimum number of columns for showing a table as a list of cards on a phone."""

UNBROKEN = 24
"""Maximum number of characters of a formula kept on one line."""

LINE = "\n"

_SIGNS = {True: ("good", "✓ "), False: ("bad", "✗ "), None: ("none", "")}


def html(page: Page) -> str:
    """Return the text of the HTML file."""
    style = files("xpmlp.report").joinpath("page.css").read_text(encoding="utf-8")
    links = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>' for one in page.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(page.title)}</title>\n<style>\n{style}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{escape(page.title)}</h1>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n{_HTML.all(page.lead, LINE)}\n</header>\n<main>\n'
        f"{_HTML.all(page.sections, LINE)}\n</main>\n</body>\n</html>\n"
    )


class _Html(Writer):
    def section(self, section: document.Section) -> str:
        facts = f'<p class="facts">{self.all(section.facts)}</p>\n' if section.facts else ""
        head = f'<section id="{section.anchor}">\n<h2>{escape(section.title)}</h2>\n'
        return f"{head}{facts}{self.all(section.blocks, LINE)}\n</section>"

    def paragraph(self, paragraph: document.Paragraph) -> str:
        return f"<p>{self.all(paragraph.parts)}</p>"

    def formulas(self, formulas: document.Formulas) -> str:
        lines = "".join(f"<p>{self.maths(Maths(line))}</p>" for line in formulas.lines)
        return f'<div class="formulas">{lines}</div>'

    def notice(self, notice: document.Notice) -> str:
        return f'<p class="notice" role="note">{escape(notice.text)}</p>'

    def table(self, table: document.Table) -> str:
        kinds = [' class="number"' if column in table.numeric else "" for column in range(len(table.columns))]
        names = list(map(escape, table.columns))
        head = "".join(f'<th scope="col"{kind}>{name}</th>' for kind, name in zip(kinds, names, strict=True))
        body = "\n".join(
            "<tr>"
            + "".join(
                f'<td data-column="{name}"{kind}>{self.write(cell)}</td>'
                for name, kind, cell in zip(names, kinds, row, strict=True)
            )
            + "</tr>"
            for row in table.rows
        )
        wide = ' class="wide"' if len(names) >= WIDE else ""
        caption = f"{escape(table.caption)}{self._sources(table.sources)}"
        return (
            f'<div class="table"><table{wide}>\n<caption>{caption}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
        )

    def picture(self, picture: document.Picture) -> str:
        images = [f"{picture.stem.parent.name}/{picture.stem.name}.{kind}" for kind in ("png", "svg")]
        caption = f"{escape(picture.caption)}{self._sources([*picture.sources, *images])}"
        return f"<figure>\n{_svg(picture)}\n<figcaption>{caption}</figcaption>\n</figure>"

    def gallery(self, gallery: document.Gallery) -> str:
        return f'<div class="gallery">{self.all(gallery.pictures, LINE)}</div>'

    def code(self, code: document.Code) -> str:
        return f"<code>{escape(code.text)}</code>"

    def link(self, link: Link) -> str:
        return f'<a href="{escape(link.path)}">{escape(link.text)}</a>'

    def maths(self, maths: Maths) -> str:
        kind = "maths" if len(maths.text) > UNBROKEN else "maths short"
        return f'<span class="{kind}">{_maths(maths.text)}</span>'

    def verdict(self, verdict: document.Verdict) -> str:
        kind, sign = _SIGNS[verdict.holds]
        return f'<span class="verdict {kind}">{sign}{escape(verdict.text)}</span>'

    def text(self, text: str) -> str:
        return escape(text)

    def _sources(self, paths: Sequence[str]) -> str:
        links = ", ".join(self.link(Link(path, path)) for path in paths)
        return f' <span class="sources">Files: {links}</span>' if paths else ""


_HTML = _Html()


def _svg(picture: document.Picture) -> str:
    """Return the figure's SVG as an element of the page, with unique ids and without its head."""
    text = picture.stem.with_name(f"{picture.stem.name}.svg").read_text(encoding="utf-8")
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    prefix = f"{picture.stem.parent.name}-{picture.stem.name}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(picture.alt)}"', 1).strip()


def _maths(text: str) -> str:
    """Convert subscripts and superscripts, of one letter or in braces, to HTML."""
    for sign, tag in (("_", "sub"), (r"\^", "sup")):
        text = re.sub(
            rf"{sign}(?:\{{([^}}]*)\}}|(\w))",
            lambda found, tag=tag: f"\0{tag}\1{found[1] or found[2]}\0/{tag}\1",  # type: ignore[misc]
            text,
        )
    return escape(text).replace("\0", "<").replace("\1", ">")
