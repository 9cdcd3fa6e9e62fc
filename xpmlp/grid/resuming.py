"""Resuming of a grid: its setup, and its ended runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from xpmlp._files import write_text
from xpmlp.errors import ConfigError, RunFolderError
from xpmlp.grid.plan import Member
from xpmlp.storage import run_folder
from xpmlp.storage.provenance import KEY, Provenance, changes, checked
from xpmlp.training.record import Outcome, read_outcome
from xpmlp.training.run import Status

_FILE = "plan.json"


class GridSetup(NamedTuple):
    """Setup of a grid that determines its bits besides its config: kept when it is resumed.

    Attributes
    ----------
    provenance : dict
        See `xpmlp.storage.provenance.provenance_of`.
    width : int
        Number of runs stacked in a block.
    threads : int or None
        CPU threads of each process, where the config leaves them open.
    """

    provenance: Provenance
    width: int
    threads: int | None

    def write(self, folder: Path) -> None:
        """Write the setup into a grid's folder."""
        checkpoints = folder / run_folder.CHECKPOINTS
        checkpoints.mkdir(exist_ok=True)
        write_text(
            checkpoints / _FILE,
            json.dumps({KEY: self.provenance, "width": self.width, "threads": self.threads}, indent=1) + "\n",
        )


def read_setup(folder: Path) -> GridSetup | None:
    """Read the setup of the grid in a folder; ``None`` if it has none, as before a grid is begun.

    Raises
    ------
    RunFolderError
        If it is damaged.
    """
    path = folder / run_folder.CHECKPOINTS / _FILE
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        threads = plan["threads"]
        return GridSetup(checked(plan[KEY]), int(plan["width"]), None if threads is None else int(threads))
    except FileNotFoundError:
        return None
    except (OSError, LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RunFolderError(f"{path} cannot be read ({error!r}): begin anew with --overwrite.") from error


def ended_runs(folder: Path, members: Iterable[Member], tell: Callable[[str], None]) -> dict[int, Outcome]:
    """Read the outcomes of the runs that need no further training, by number.

    Parameters
    ----------
    folder : Path
        Folder of the grid.
    members : iterable of Member
    tell : (str) -> None
        Called with a sentence about each damaged run, which is trained again.
    """
    runs = folder / run_folder.RUNS
    paths = {int(path.name): path for path in runs.iterdir() if path.name.isdecimal()} if runs.is_dir() else {}
    ended = {}
    for member in members:
        if member.number not in paths:
            continue
        try:
            outcome = read_outcome(paths[member.number])
        except (RunFolderError, ConfigError) as error:
            tell(f"run {member.number} is trained again: {error}")
        else:
            if _has_ended(outcome, member):
                ended[member.number] = replace(outcome, config=member.config)
    return ended


def _has_ended(outcome: Outcome, member: Member) -> bool:
    """Return whether a run is complete by this member's config."""
    run = outcome.run
    if any(changes(outcome.config.model_dump(mode="json"), member.config, len(run.epochs))):
        return False
    if run.status is Status.FINISHED:
        return len(run.epochs) >= member.config.train.length.epochs
    return run.status in (Status.STOPPED_EARLY, Status.DIVERGED)
