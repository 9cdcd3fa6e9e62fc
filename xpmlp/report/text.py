"""Texts of the sections: files beside the modules, with placeholders for values, tables and figures.

Blocks are separated by empty lines.  Indented lines are formulas.  All others are joined into a paragraph, with
backticks around names and dollars around formulas, unless the first line has one of these forms ::

    table NAME: a column | >a right-aligned column
    figure STEM: the title of its file

The lines below are the caption, except that ``files:`` names the files with the numbers, and ``alt:`` describes a
figure for readers who cannot see it.  Consecutive figures form a gallery.  ``> `` begins a notice.  ``{value:format}``
is filled in after the markup is read, so that a value cannot become markup.  A table without rows is left out, and so
is a block that begins with ``[value] `` if that value is empty.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from xpmlp import plots
from xpmlp._text import counted, duration
from xpmlp.report.document import (
    Code,
    Element,
    Formulas,
    Gallery,
    Inline,
    Maths,
    Notice,
    Paragraph,
    Picture,
    Table,
)

_MARKED = re.compile(r"`([^`]+)`|\$([^$]+)\$")
_CONDITION = re.compile(r"\[(\w+)\] ")
_HEAD = re.compile(r"(table|figure) (\w+)(?:: (.+))?")


class _Formatter(string.Formatter):
    """Formatter with two additional formats: ``{5:count epoch}`` is ``5 epochs``, ``{9:duration}`` is ``9.0 s``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("count "):
            return counted(value, format_spec.removeprefix("count "))
        return duration(value) if format_spec == "duration" else str(super().format_field(value, format_spec))


TableRows = Mapping[str, Sequence[Sequence[Inline]]]
Figures = Mapping[str, Callable[[], Any]]


def blocks(
    name: str,
    values: Mapping[str, Any],
    rows: TableRows,
    figures: Figures,
    folder: Path,
    source: Callable[[str], str] = str,
) -> list[Element]:
    """Fill in a text, and draw its figures.

    Parameters
    ----------
    name : str
        Name of its file, without the extension.
    values : dict
    rows : dict of (rows, columns)
        Rows of each table, by its name.
    figures : dict of () -> Figure
        By the names of their files, without the extension.
    folder : Path
        Folder for the figures.
    source : (file) -> path
        Returns a file's path from the page's folder.
    """

    def filled(text: str) -> str:
        return _Formatter().vformat(text, (), values)

    def block(text: str) -> Element | None:
        if (condition := _CONDITION.match(text)) is not None:
            return block(text[condition.end() :]) if values[condition[1]] else None
        lines = text.splitlines()
        if text.startswith("    "):
            return Formulas(tuple(map(str.strip, lines)))
        if text.startswith("> "):
            return Notice(filled(" ".join(lines).removeprefix("> ")))
        head = _HEAD.fullmatch(lines[0])
        if head is None:
            return Paragraph(*_inlines(" ".join(lines), filled))
        kind, stem, rest = head.groups()
        noted = {key: said for key, _, said in (line.partition(": ") for line in lines) if key in ("alt", "files")}
        caption = filled(" ".join(line for line in lines[1:] if line.partition(": ")[0] not in noted))
        sources = [source(file) for file in noted["files"].split(", ")]
        if kind == "table":
            columns = [filled(column) for column in rest.split(" | ")]
            right = frozenset(place for place, column in enumerate(columns) if column.startswith(">"))
            names = [column.removeprefix(">") for column in columns]
            return Table(names, rows[stem], caption, sources, right) if rows[stem] else None
        plots.draw(figures[stem], folder / f"{stem}.png", folder / f"{stem}.svg", title=rest)
        return Picture(folder / stem, filled(noted["alt"]), caption, sources)

    text = files("xpmlp.report").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    found: list[Element] = []
    for is_picture, group in groupby(map(block, text.strip("\n").split("\n\n")), lambda one: isinstance(one, Picture)):
        together = [one for one in group if one is not None]
        found += [Gallery(together)] if is_picture and len(together) > 1 else together  # type: ignore[arg-type]
    return found


def _inlines(text: str, filled: Callable[[str], str]) -> Iterator[Inline]:
    """Yield the pieces of a paragraph."""
    end = 0
    for found in _MARKED.finditer(text):
        if found.start() > end:
            yield filled(text[end : found.start()])
        yield Code(found[1]) if found[1] else Maths(found[2])
        end = found.end()
    if end < len(text):
        yield filled(text[end:])
