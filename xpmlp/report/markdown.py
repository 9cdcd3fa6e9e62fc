"""The page as Markdown, for reading or comparing it as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xpmlp.report import document
from xpmlp.report.document import Link, Page, Writer

EMPTY_LINE = "\n\n"

_SIGNS = {True: "✓ ", False: "✗ ", None: ""}


def markdown(page: Page) -> str:
    """Return the text of the Markdown file."""
    return f"# {_escape(page.title)}\n\n{_MARKDOWN.all([*page.lead, *page.sections], EMPTY_LINE)}\n"


class _Markdown(Writer):
    def section(self, section: document.Section) -> str:
        blocks = [document.Paragraph(*section.facts), *section.blocks] if section.facts else section.blocks
        return f"## {_escape(section.title)}\n\n{self.all(blocks, EMPTY_LINE)}"

    def paragraph(self, paragraph: document.Paragraph) -> str:
        return self.all(paragraph.parts)

    def formulas(self, formulas: document.Formulas) -> str:
        return "\n".join(f"    {line}" for line in formulas.lines)

    def notice(self, notice: document.Notice) -> str:
        return f"> **{_escape(notice.text)}**"

    def table(self, table: document.Table) -> str:
        rule = ["---:" if column in table.numeric else "---" for column in range(len(table.columns))]
        rows = [list(map(_escape, table.columns)), rule, *(map(self.write, row) for row in table.rows)]
        lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        return f"{lines}\n\n{_escape(table.caption)}{self._sources(table.sources)}"

    def picture(self, picture: document.Picture) -> str:
        image = f"{picture.stem.parent.name}/{picture.stem.name}.png"
        return f"![{_escape(picture.alt)}]({image})\n\n{_escape(picture.caption)}{self._sources(picture.sources)}"

    def gallery(self, gallery: document.Gallery) -> str:
        return self.all(gallery.pictures, EMPTY_LINE)

    def code(self, code: document.Code | document.Maths) -> str:
        return f"`{code.text.replace('`', ' ').replace('|', '∣')}`"  # a bar would end a table cell

    maths = code

    def link(self, link: Link) -> str:
        return f"[{_escape(link.text)}]({link.path})"

    def verdict(self, verdict: document.Verdict) -> str:
        return f"{_SIGNS[verdict.holds]}{_escape(verdict.text)}"

    def text(self, text: str) -> str:
        return _escape(text)

    def _sources(self, paths: Sequence[str]) -> str:
        return f" Files: {', '.join(self.link(Link(path, path)) for path in paths)}." if paths else ""


_MARKDOWN = _Markdown()


def _escape(text: str) -> str:
    """Escape the markup characters of Markdown and HTML, and join the text into one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split("\n")))
