"""A run that has ended, read back from its folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from xpmlp.checkpoint import load_network
from xpmlp.config import load_config
from xpmlp.data.numpy_file import read_npy
from xpmlp.errors import DataError, RunFolderError
from xpmlp.training.inference import Score
from xpmlp.training.outcome import Outcome
from xpmlp.training.run import EpochRow, Run, RunSettings, Status
from xpmlp.training.run_folder import run_facts

_UNREADABLE = (
    *(OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError),
    *(csv.Error, DataError),
)
"""What json, csv and the reader of arrays raise for damaged files, and looking for what is not in them."""


def read_outcome(folder: Path) -> Outcome:
    """What `xpmlp.training.run_folder.write` has written, as the same bits; only the time is rounded.

    Raises
    ------
    RunFolderError, ConfigError
        If a file is missing or damaged.
    """
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        header, *rows = csv.reader((folder / "epochs.csv").read_text(encoding="utf-8").splitlines())
        losses = read_npy(folder / "batch_losses.npy")
        run = Run(
            RunSettings(*(facts[name] for name in RunSettings._fields)),
            metric=header[header.index("train_loss") + 1].removeprefix("train_"),  # type: ignore[arg-type]
            status=Status(facts["status"]),
            epochs=[_row(row) for row in rows],
            batch_losses=[losses] if len(losses) else [],
            train_scores=_train_scores(folder / "train_after.csv"),
        )
        if facts["best"] is not None:
            run.best_epoch = int(facts["best"]["epoch"])
            run.best_loss = run.epochs[run.best_epoch - 1].validation_loss or 0.0
        if "diverged_at" in facts:
            run.ended_at = (facts["diverged_at"]["epoch"], facts["diverged_at"]["step"])
        if facts["test"] is not None:
            run.test = Score(*(math.nan if figure is None else figure for figure in facts["test"].values()))
    except _UNREADABLE as error:
        raise RunFolderError(f"the run in {folder} cannot be read: {error}; begin anew with --overwrite.") from error
    described = {"name", *run_facts(run)}
    rest = {name: value for name, value in facts.items() if name not in described}
    return Outcome(load_config(folder / "config.toml"), run, load_network(folder / "weights.safetensors"), rest)


def _row(cells: list[str]) -> EpochRow:
    """A line of ``epochs.csv``: the run's number, the epoch, and figures, empty where there are none."""
    figures: list[Any] = [float(cell) if cell else None for cell in cells[2:]]
    return EpochRow(int(cells[1]), *figures)


def _train_scores(path: Path) -> list[Score]:
    """The figures of ``train_after.csv``, where there is one."""
    if not path.exists():
        return []
    _, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return [Score(float(loss), float(value)) for _, _, loss, value in rows]
