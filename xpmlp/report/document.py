"""Content of a page, apart from how it is written: `html` and `markdown` each write the same blocks.

Texts are plain: whatever they hold is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias


class Code(NamedTuple):
    """A name or a command, shown as it is typed."""

    text: str


class Link(NamedTuple):
    """A link to a file beside the page, by its path from the page's folder."""

    text: str
    path: str


class Maths(NamedTuple):
    """A formula in Unicode, with ``_i`` or ``_{ij}`` for a subscript and ``^T`` or ``^{-1}`` for a superscript."""

    text: str


class Verdict(NamedTuple):
    """Result of a comparison.

    Attributes
    ----------
    text : str
        In a word or two.
    holds : bool or None
        ``None`` if there was nothing to hold.
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
    """A table with the files that its numbers are in.

    Attributes
    ----------
    columns : (columns)
    rows : (rows, columns)
    caption : str
    sources : list of str
        Paths from the page's folder.
    numeric : set of int
        The columns that are set flush right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Inline]]
    caption: str
    sources: Sequence[str] = ()
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A figure that lies beside the page as ``<stem>.svg`` and ``<stem>.png``.

    Attributes
    ----------
    stem : Path
        Without an ending.
    alt : str
        What it shows, for those who cannot see it.
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
    """A sentence that must not be overlooked."""

    text: str


Element: TypeAlias = Paragraph | Formulas | Table | Picture | Gallery | Notice


@dataclass(frozen=True)
class Section:
    """A headed part of the page.

    Attributes
    ----------
    anchor : str
        By which links find it.
    title : str
    blocks : list of Element
    facts : list of Inline
        How it was made: its time, its config.
    """

    anchor: str
    title: str
    blocks: Sequence[Element]
    facts: Sequence[Inline] = ()


@dataclass(frozen=True)
class Page:
    """The whole page.

    Attributes
    ----------
    title : str
    lead : list of Element
        Before the sections.
    sections : list of Section
    folder : Path
        Where it is written; the pictures lie in it.
    """

    title: str
    lead: Sequence[Element]
    sections: Sequence[Section]
    folder: Path


class Writer:
    """Text of a page in some format: a subclass has a method for each kind of piece, by its name in small letters."""

    def write(self, piece: Element | Inline | Section) -> str:
        """The text of a piece of the page."""
        kind = "text" if isinstance(piece, str) else type(piece).__name__.lower()
        text: str = getattr(self, kind)(piece)
        return text

    def all(self, pieces: Iterable[Element | Inline | Section], between: str = "") -> str:
        """The texts of several pieces."""
        return between.join(map(self.write, pieces))
