"""Findings of a part, written to a file as soon as they are known, so that an interrupted part keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp._files import write_text


class Surroundings(NamedTuple):
    """The conditions in which a part runs.

    Attributes
    ----------
    work : Path
        A folder for its files.
    stand_in : bool
        Whether a stand-in replaces CuPy: then the smallest sizes are enough.
    """

    work: Path
    stand_in: bool


@dataclass
class Findings:
    """Sentences, tables and numbers.

    Attributes
    ----------
    path : Path
        The file.
    seen : list of str
        Results, one sentence each.
    missed : list of str
        Checks that could not be made, and why.
    failed : list of str
        Faults.
    tables : list of str
        In Markdown.
    data : dict
        All figures, for a program to read.
    """

    path: Path
    seen: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def see(self, sentence: str) -> None:
        """Record a result."""
        self.seen.append(sentence)
        self.save()

    def miss(self, sentence: str) -> None:
        """Record a check that could not be made, and why."""
        self.missed.append(sentence)
        self.save()

    def fail(self, sentence: str) -> None:
        """Record a fault: the part has failed."""
        self.failed.append(sentence)
        self.save()

    def judge(self, sentence: str, *, holds: bool) -> None:
        """Record a result if it holds, or else a fault."""
        (self.see if holds else self.fail)(sentence)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table."""
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
        self.tables.append("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))
        self.save()

    def keep(self, name: str, figures: Any) -> None:
        """Store figures under a name."""
        self.data[name] = figures
        self.save()

    def save(self) -> None:
        """Write all findings."""
        told = {name: getattr(self, name) for name in ("seen", "missed", "failed", "tables", "data")}
        write_text(self.path, json.dumps(told, indent=1) + "\n")
