"""Parts of the report: their computation, their display, and the record of a finished one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp._files import write_text
from xpmlp.config import Config
from xpmlp.grid import GridReporter
from xpmlp.report.comparison import Comparison
from xpmlp.report.demands import Demand
from xpmlp.report.document import Element
from xpmlp.report.numbers import NumberColumns, read_csv, write_csv
from xpmlp.report.text import Figures, TableRows, blocks

RECORD = "part.json"
"""File that marks a part's folder as complete; it is written last."""


class Interrupted(Exception):  # noqa: N818  (not an error: finished parts are kept)
    """Stop requested by the user before a part was finished."""


class FinishedPart(NamedTuple):
    """Finished part.

    Attributes
    ----------
    name : str
    folder : Path
        Folder with the files of its numbers.
    results : dict
        Values for its text, of JSON's types.
    seconds : float
        Duration of the computation.
    finished : str
        Time of completion, in local time.
    """

    name: str
    folder: Path
    results: dict[str, Any]
    seconds: float
    finished: str

    def source(self, file: str) -> str:
        """Return the path of one of its files from the page's folder."""
        return f"{self.name}/{file}"

    def read(self, file: str) -> NumberColumns:
        """Read the columns of one of its files; see `xpmlp.report.numbers.read_csv`."""
        return read_csv(self.folder / file)

    def blocks(
        self, values: Mapping[str, Any], rows: TableRows | None = None, figures: Figures | None = None
    ) -> list[Element]:
        """Fill in its text, with its results too, and draw its figures; see `xpmlp.report.text.blocks`."""
        known = {**self.results, **values}
        return blocks(f"parts/{self.name}", known, rows or {}, figures or {}, self.folder, self.source)


@dataclass(frozen=True)
class PartInputs:
    """Inputs of a part's computation.

    Attributes
    ----------
    folder : Path
        The part's own folder, empty.
    config : Config or None
        Its config from configs/report, if it has one.
    quick : bool
        Whether to compute the small version.
    needed : dict of FinishedPart
        The needed parts, by name.
    reporter : GridReporter
        Reporter for trainings.
    should_stop : () -> bool
    """

    folder: Path
    config: Config | None
    quick: bool
    needed: Mapping[str, FinishedPart] = field(default_factory=dict)
    reporter: GridReporter = field(default_factory=GridReporter)
    should_stop: Callable[[], bool] = bool

    def write(self, file: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
        """Write one of its files; see `xpmlp.report.numbers.write_csv`."""
        write_csv(self.folder / file, columns, rows)

    @property
    def settings(self) -> Config:
        """The part's config, for parts with one."""
        assert self.config is not None
        return self.config


class PartContents(NamedTuple):
    """Blocks and comparisons of a part.

    Attributes
    ----------
    blocks : list of Element
    comparisons : list of Comparison
    """

    blocks: list[Element]
    comparisons: list[Comparison]


@dataclass(frozen=True)
class ReportPart:
    """Part of the report.

    Attributes
    ----------
    name : str
        Name of its folder, and on the command line.
    title : str
    compute : (PartInputs) -> results
        Writes the part's files and returns the values for its text; raises `Interrupted` if its training was asked to
        stop.
    show : (FinishedPart, quick) -> PartContents
        Draws the figures from the files.
    config : str or None
        Its file in configs/report, without the extension.
    demands : tuple of Demand
        Requirements on the config.
    needs : tuple of str
        Parts that must be finished before.
    quick : dict
        Changes to the config in the small version.
    aliases : tuple of str
        Other names on the command line.
    beside : bool
        Whether it keeps one core busy for a while, and is computed in a separate process beside the others, except in
        the small version.
    """

    name: str
    title: str
    compute: Callable[[PartInputs], dict[str, Any]]
    show: Callable[[FinishedPart, bool], PartContents]
    config: str | None = None
    demands: tuple[Demand, ...] = ()
    needs: tuple[str, ...] = ()
    quick: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    beside: bool = False


def write_record(done: FinishedPart, fingerprint: str) -> None:
    """Write the record of a finished part, with its fingerprint."""
    record = {**done._asdict(), "folder": done.folder.name, "fingerprint": fingerprint}
    write_text(done.folder / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n")


def read_record(folder: Path, name: str, fingerprint: str) -> FinishedPart | None:
    """Read the finished part in ``folder``; ``None`` if there is none, or its fingerprint differs."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["fingerprint"] != fingerprint:
            return None
        return FinishedPart(name, folder, dict(record["results"]), float(record["seconds"]), str(record["finished"]))
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: it is computed again
        return None
