"""Content of a page, independent of its format: `html` and `markdown` both write the same blocks.

Texts are plain: their characters are shown unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias


class Code(NamedTuple):
    """Name or command, shown as typed."""

    text: str


class Link(NamedTuple):
    """Link to a file in the page's folder or below it, by its path from there."""

    text: str
    path: str


class Maths(NamedTuple):
    """Formula in Unicode, with ``_i`` or ``_{ij}`` for a subscript and ``^T`` or ``^{-1}`` for a superscript."""

    text: str


class Verdict(NamedTuple):
    """Result of a comparison.

    Attributes
    ----------
    text : str
        In a word or two.
    holds : bool or None
        ``None`` if there was nothing to judge.
    """

    text: str
    holds: bool | None


Inline: TypeAlias = str | Code | Link | Maths | Verdict


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    parts: tuple[Inline, ...]

    def __init__(self, *parts: Inline) -> None:
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True)
class Formulas:
    """Formulas, each on a line of its own."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Table with the files of its numbers.

    Attributes
    ----------
    columns : (columns)
    rows : (rows, columns)
    caption : str
    sources : list of str
        Paths from the page's folder.
    numeric : set of int
        The right-aligned columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Inline]]
    caption: str
    sources: Sequence[str] = ()
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """Figure stored in a subfolder of the page's folder as ``<stem>.svg`` and ``<stem>.png``.

    Attributes
    ----------
    stem : Path
        Path without the extension.
    alt : str
        Description for readers who cannot see it.
    caption : str
    sources : list of str
        The files with its numbers, from the page's folder.
    """

    stem: Path
    alt: str
    caption: str
    sources: Sequence[str] = ()


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side if the page is wide enough."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Notice:
    """Prominent sentence."""

    text: str


Element: TypeAlias = Paragraph | Formulas | Table | Picture | Gallery | Notice


@dataclass(frozen=True)
class Section:
    """Section of the page with a heading.

    Attributes
    ----------
    anchor : str
        Target of links.
    title : str
    blocks : list of Element
    facts : list of Inline
        Facts on its computation: its time, its config.
    """

    anchor: str
    title: str
    blocks: Sequence[Element]
    facts: Sequence[Inline] = ()


@dataclass(frozen=True)
class Page:
    """Whole page.

    Attributes
    ----------
    title : str
    lead : list of Element
        Elements before the sections.
    sections : list of Section
    folder : Path
        Folder of the page and its pictures.
    """

    title: str
    lead: Sequence[Element]
    sections: Sequence[Section]
    folder: Path


class Writer:
    """Writer of a page in some format: a subclass has a method for each kind of piece, by its lower-case name."""

    def write(self, piece: Element | Inline | Section) -> str:
        """Return the text of a piece of the page."""
        kind = "text" if isinstance(piece, str) else type(piece).__name__.lower()
        text: str = getattr(self, kind)(piece)
        return text

    def all(self, pieces: Iterable[Element | Inline | Section], between: str = "") -> str:
        """Return the joined texts of several pieces."""
        return between.join(map(self.write, pieces))
