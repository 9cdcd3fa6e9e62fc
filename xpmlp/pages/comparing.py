"""Comparison of runs on the same examples: their differing settings, scores, and significance tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xpmlp._text import duration, printable
from xpmlp.config import Config
from xpmlp.errors import RunFolderError, XpmlpError
from xpmlp.pages.material import Material, Rows, read_facts, read_material
from xpmlp.pages.measures import Measure, intervals, measures
from xpmlp.pages.paired import Paired, paired
from xpmlp.storage import run_folder
from xpmlp.training.evaluation import data_for, part_for

LONGEST = 60
"""Maximum length of a value or a name in characters."""


class Judged(NamedTuple):
    """Run with its figures, without its data.

    Attributes
    ----------
    name : str
        Shortest name that distinguishes it from the others.
    folder : Path
    config : Config
    facts : dict
        ``run.json``.
    parameters : int
        Number of parameters of the network.
    measures : list of Measure
        Empty without the data.
    intervals : list of (float, float, float)
        The figure of each measure, and the ends of its interval.
    """

    name: str
    folder: Path
    config: Config
    facts: dict[str, Any]
    parameters: int
    measures: list[Measure]
    intervals: list[tuple[float, float, float]]

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row in a table: its name, size, epochs, time and status."""
        took = duration(float(self.facts.get("seconds", {}).get("training") or 0.0))
        ended = short_text(self.facts.get("status", ""))
        return self.name, f"{self.parameters:,}", f"{self.facts.get('epochs', '')}", took, ended


CELLS = ("run", "parameters", "epochs", "training", "ended")
"""Column headings of `Judged.cells`."""


class Test(NamedTuple):
    """Differences of a figure between other runs and the first one, with the runs' names."""

    measure: str
    results: list[tuple[str, Paired]]


class Comparison(NamedTuple):
    """Comparison of several runs with the first of them.

    Attributes
    ----------
    split : str
    examples : int
        Number of examples in the first run's part; 0 if no other run can be compared on them.
    runs : list of Judged
    differing : list of (str, list of str)
        Keys of the configs that differ, with the value of each run.
    tests : list of Test
    notes : list of str
        Omissions, with their reasons.
    """

    split: str
    examples: int
    runs: list[Judged]
    differing: list[tuple[str, list[str]]]
    tests: list[Test]
    notes: list[str]


def compare(
    run_dirs: Sequence[Path],
    split: str | None = None,
    *,
    allow_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare runs.

    Parameters
    ----------
    run_dirs : sequence of Path
        Folders of runs, or of grids, which stand for their runs; of a single grid the best run comes first.
    split : "train", "validation" or "test", optional
        The part for judging them: by default the test part, or the validation part if a run has no test part.
    allow_code : bool
        Import the external records that the runs' configs name.
    tell : (str) -> None
        Called with a line for each run.

    Raises
    ------
    RunFolderError, ConfigError
        If there are fewer than two runs, one is given twice or cannot be read, or its config names code that is not
        allowed.
    """
    folders = _folders(run_dirs)
    facts = [read_facts(folder) for folder in folders]
    split = split or ("test" if all(one.get("data", {}).get("test") for one in facts) else "validation")
    first, runs, notes, same = None, [], [], []
    for name, folder in zip(names_of(folders), folders, strict=True):
        tell(name)
        material = read_material(folder, split, allow_code=allow_code, strict=False)
        rows = material.rows
        found = [] if rows is None else measures(material, rows)
        told = [] if rows is None else intervals(found, rows.weights)
        size = material.saved.network.n_parameters
        runs.append(Judged(name, folder, material.config, material.facts, size, found, told))
        if first is None:
            first = material
        elif rows is not None and first.rows is not None:
            why = _difference(first, first.rows, material, rows, split)
            if why:
                notes.append(f"{name} is not compared with {runs[0].name} example by example: {why}")
            else:
                same.append(runs[-1])
        if rows is None:
            notes.append(f"{name} has no scores here: {short_text(material.absent, 300)}")
    if first is None or first.rows is None or not same:
        return Comparison(split, 0, runs, differing(runs), [], notes)
    tests = []
    for place, measure in enumerate(runs[0].measures):
        results = paired(measure, [one.measures[place] for one in same], first.rows.weights)
        tests.append(Test(measure.name, [(one.name, result) for one, result in zip(same, results, strict=True)]))
    return Comparison(split, len(first.rows.part), runs, differing(runs), tests, notes)


def _folders(run_dirs: Sequence[Path]) -> list[Path]:
    """List the folder of each run; of a single grid that of the best run comes first."""
    found: list[Path] = []
    for run_dir in run_dirs:
        members = list(run_folder.runs_in(run_dir).values())
        if members and len(run_dirs) == 1:
            best = run_folder.member_folder(run_dir, "best")
            members = [best, *(one for one in members if one != best)]
        found += members or [run_dir]
    places = [folder.resolve() for folder in found]
    twice = next((folder for folder, place in zip(found, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        raise RunFolderError(f"{twice} is given twice: a run is compared with others.")
    if len(found) < 2:
        raise RunFolderError(f"{found[0]} is one run: give two or more to compare, or the folder of a grid.")
    for folder in found:
        if not (folder / "config.toml").is_file():
            raise RunFolderError(f"{folder} is not a run folder: give folders that `xpmlp train` has written.")
    return found


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name each path by as few of its last parts as distinguish them all; a grid's run by its number."""
    parts = [[part for part in folder.resolve().parts if part != run_folder.RUNS] for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-length:]) for one in parts]
        if len(set(names)) == len(names):
            break
    return [short_text(name) for name in names]


def short_text(value: object, longest: int = LONGEST) -> str:
    """Format a value as text on one line, shortened, without invisible characters."""
    text = printable(" ".join(str(value)[: 10 * longest].split()))
    return text if len(text) <= longest else f"{text[:longest]}…"


def differing(runs: Sequence[Judged]) -> list[tuple[str, list[str]]]:
    """List the settings in which runs differ, except ``[output]``, and the data and versions if they differ."""
    tables = [dict(_settings(one)) for one in runs]
    keys = dict.fromkeys(key for table in tables for key in table)
    found = []
    for key in keys:
        values = [table.get(key, "-") for table in tables]
        if len(set(values)) > 1:
            found.append((key, [short_text(value) for value in values]))
    return found


def _settings(one: Judged) -> Iterator[tuple[str, str]]:
    for section, table in one.config.model_dump(mode="json").items():
        for key, value in table.items() if section != "output" else ():
            if isinstance(getattr(getattr(one.config, section), key, None), Path):
                value = Path(value).name  # a page does not reveal folders
            yield f"{section}.{key}", value if isinstance(value, str) else json.dumps(value).replace("null", "none")
    for name, value in one.facts.get("data", {}).get("sha256", {}).items():
        yield f"SHA-256 of {name}", str(value)[:12]
    for name, value in one.facts.get("versions", {}).items():
        yield f"version of {name}", str(value)


def _difference(first: Material, its: Rows, other: Material, rows: Rows, split: str) -> str:
    """Return why two runs are not judged by the same examples; empty if they are.

    Other settings of the data may or may not select other rows: the other run's part is read with the first network's
    encoding and compared with the first run's.
    """
    if (first.classes, first.config.data.target) != (other.classes, other.config.data.target) or [
        one.name for one in measures(first, its)
    ] != [one.name for one in measures(other, rows)]:
        return "it predicts something else."
    if sorted(its.dataset.hashes.values()) != sorted(rows.dataset.hashes.values()):
        return "it was trained on other data."
    if not _equal(its.part.weights, rows.part.weights):
        return "its examples count otherwise."
    if first.config.data == other.config.data:
        return ""
    apart = f"its {split} part has other examples."
    try:
        part, _ = part_for(other.config, first.saved, data_for(other.config, first.saved), split, other.folder)
    except XpmlpError:
        return apart
    pairs = [(getattr(its.part, name), getattr(part, name)) for name in ("features", "targets", "codes")]
    return "" if all(_equal(*pair) for pair in pairs) else apart


def _equal(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))  # None is equal to itself alone
