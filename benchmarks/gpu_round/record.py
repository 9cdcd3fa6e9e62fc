"""The record of a round: one JSON and one Markdown file, rewritten after each part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.gpu_round.parts import PARTS
from xpmlp._files import write_text

NAME = "gpu_round"

Status = Literal["passed", "failed", "cut off", "not begun"]

TITLES = {
    "seen": "Seen",
    "failed": "Not as it should be",
    "missed": "Not seen, and why",
}


class RecordError(Exception):
    """A record with which a round cannot continue; the message is one sentence."""


@dataclass
class Entry:
    """The state of a part.

    Attributes
    ----------
    status : "passed", "failed", "cut off" or "not begun"
    reason : str
        Why it is not "passed"; empty if its findings say it.
    seconds : float
    findings : dict
        The findings, as written by `Findings.save`.
    output : str
        The end of its output, if it did not pass.
    """

    status: Status = "not begun"
    reason: str = ""
    seconds: float = 0.0
    findings: dict[str, Any] = field(default_factory=dict)
    output: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether it ran to its end, passed or failed."""
        return self.status in ("passed", "failed")


@dataclass
class Record:
    """A round, with an entry for each part.

    Attributes
    ----------
    folder : Path
    stand_in : bool
        Whether a stand-in replaced CuPy.
    begun : str
        The time of the beginning.
    entries : dict of Entry
        The entries of all parts, in order of importance.
    """

    folder: Path
    stand_in: bool
    begun: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    entries: dict[str, Entry] = field(default_factory=lambda: {part.name: Entry() for part in PARTS})

    @classmethod
    def open(cls, folder: Path, *, stand_in: bool, resume: bool) -> Record:
        """Load the record in a folder to continue, or make a new one; an earlier one is renamed after its time.

        Raises
        ------
        RecordError
            If it is not a record, or one of the other kind: with a GPU or with a stand-in.
        """
        path = folder / f"{NAME}.json"
        if not path.exists():
            return cls(folder, stand_in)
        if not resume:
            _keep_earlier(folder)
            return cls(folder, stand_in)
        try:
            told = json.loads(path.read_text())
            parts = {one["name"]: one for one in told["parts"]}
            names = Entry.__dataclass_fields__
            entries = {name: Entry(**{key: one[key] for key in names}) for name, one in parts.items()}
            record = cls(folder, told["stand_in"], told["begun"])
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{path} is no record of a round ({error}): give another --out.") from None
        record.entries.update({name: entry for name, entry in entries.items() if name in record.entries})
        if record.stand_in != stand_in:
            was, now = ("with" if one else "without" for one in (record.stand_in, stand_in))
            raise RecordError(f"{path} is of a round {was} --stand-in, and this one is {now}: give another --out.")
        return record

    @property
    def failed(self) -> list[str]:
        """The parts that failed."""
        return [name for name, entry in self.entries.items() if entry.status == "failed"]

    def save(self) -> None:
        """Write both files, each complete or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        titles = {part.name: part.title for part in PARTS}
        parts = [{"name": name, "title": titles[name], **asdict(entry)} for name, entry in self.entries.items()]
        told = {"begun": self.begun, "stand_in": self.stand_in, "parts": parts}
        write_text(self.folder / f"{NAME}.json", json.dumps(told, indent=1) + "\n")
        write_text(self.folder / f"{NAME}.md", "\n".join(self._page(titles)) + "\n")

    def _page(self, titles: dict[str, str]) -> Iterator[str]:
        machine = self.entries.get("machine", Entry()).findings.get("data", {}).get("machine", {})
        where = "a stand-in for a GPU" if self.stand_in else machine.get("GPU", "a GPU")
        yield f"# A round on {where}"
        yield ""
        yield f"Written by `python -m benchmarks.gpu_round`, begun at {self.begun}; see docs/gpu.md."
        yield ""
        yield "| part | | seconds | seen | not as it should be | not seen |"
        yield "|---|---|---:|---:|---:|---:|"
        for name, entry in self.entries.items():
            counts = [len(entry.findings.get(kind, ())) or "" for kind in ("seen", "failed", "missed")]
            took = f"{entry.seconds:.0f}" if entry.seconds else ""
            yield f"| {titles[name]} (`{name}`) | {entry.status} | {took} | {' | '.join(map(str, counts))} |"
        for name, entry in self.entries.items():
            yield from _section(titles[name], entry)


def _section(title: str, entry: Entry) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield f"**{entry.status}**" + (f": {entry.reason}" if entry.reason else "")
    for kind in ("failed", "seen", "missed"):
        if sentences := entry.findings.get(kind):
            yield from ("", f"{TITLES[kind]}:", "", *(f"- {' '.join(sentence.split())}" for sentence in sentences))
    for table in entry.findings.get("tables", ()):
        yield from ("", table)
    if entry.output:
        yield from ("", "The end of its output:", "", "````text", entry.output, "````")


def _keep_earlier(folder: Path) -> None:
    """Rename the files of an earlier round after the time of their last change."""
    written = datetime.fromtimestamp((folder / f"{NAME}.json").stat().st_mtime, UTC)
    for suffix in (".json", ".md"):
        if (path := folder / f"{NAME}{suffix}").exists():
            path.replace(folder / f"{NAME}-{written:%Y%m%dT%H%M%SZ}{suffix}")
