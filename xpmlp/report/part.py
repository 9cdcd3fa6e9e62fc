"""A part of the report: what it computes, how it is shown, and the record that a finished one leaves."""

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
"""The file that says that a part's folder is whole; it is written last."""


class Interrupted(Exception):  # noqa: N818  (no error: what is finished is kept)
    """The user wants to stop, and a part is not finished."""


class FinishedPart(NamedTuple):
    """A finished part.

    Attributes
    ----------
    name : str
    folder : Path
        With the files that its numbers are in.
    results : dict
        What is said of it, of JSON's types.
    seconds : float
        How long it took.
    finished : str
        When it was finished, in local time.
    """

    name: str
    folder: Path
    results: dict[str, Any]
    seconds: float
    finished: str

    def source(self, file: str) -> str:
        """The path of one of its files from the page's folder."""
        return f"{self.name}/{file}"

    def read(self, file: str) -> NumberColumns:
        """The columns of one of its files; see `xpmlp.report.numbers.read_csv`."""
        return read_csv(self.folder / file)

    def blocks(
        self, values: Mapping[str, Any], rows: TableRows | None = None, figures: Figures | None = None
    ) -> list[Element]:
        """Its text, filled in with its results, too, and its figures, drawn; see `xpmlp.report.text.blocks`."""
        known = {**self.results, **values}
        return blocks(f"parts/{self.name}", known, rows or {}, figures or {}, self.folder, self.source)


@dataclass(frozen=True)
class PartInputs:
    """Inputs of a part's computation.

    Attributes
    ----------
    folder : Path
        Its own, empty.
    config : Config or None
        Its file in configs/report, if it has one.
    quick : bool
        Whether it is the small version.
    needed : dict of FinishedPart
        The parts that it needs, by name.
    reporter : GridReporter
        Hears of trainings.
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
        """The config of a part that has one."""
        assert self.config is not None
        return self.config


class PartContents(NamedTuple):
    """The blocks and comparisons that a part shows.

    Attributes
    ----------
    blocks : list of Element
    comparisons : list of Comparison
    """

    blocks: list[Element]
    comparisons: list[Comparison]


@dataclass(frozen=True)
class ReportPart:
    """A part of the report.

    Attributes
    ----------
    name : str
        Of its folder, and on the command line.
    title : str
    compute : (PartInputs) -> results
        Writes the part's files and returns what is said of it; raises `Interrupted` when asked to stop.
    show : (FinishedPart, quick) -> PartContents
        Draws the figures from the files.
    config : str or None
        Its file in configs/report, without the ending.
    demands : tuple of Demand
        What that has to be.
    needs : tuple of str
        The parts that must be finished before.
    quick : dict
        What the small version changes in the config.
    aliases : tuple of str
        Other names of it on the command line.
    beside : bool
        Whether it keeps one core busy for a while, and is computed in a process beside the others.
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
    """Say that a part is finished, and what it depends on."""
    record = {**done._asdict(), "folder": done.folder.name, "fingerprint": fingerprint}
    write_text(done.folder / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n")


def read_record(folder: Path, name: str, fingerprint: str) -> FinishedPart | None:
    """The finished part in ``folder``; ``None`` if there is none, or it depends on something else."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["fingerprint"] != fingerprint:
            return None
        return FinishedPart(name, folder, dict(record["results"]), float(record["seconds"]), str(record["finished"]))
    except (OSError, ValueError, KeyError, TypeError):  # not there or damaged: it is computed again
        return None
