"""Training of one block.  The function is sent to other processes, so its arguments and results are plain values."""

from __future__ import annotations

import contextlib
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from xpmlp.backend import blas_threads_at_most
from xpmlp.config import GRID_AXES, Config, admit_code
from xpmlp.grid.plan import Block
from xpmlp.storage import run_folder
from xpmlp.storage.provenance import ResumePoint, as_before, resume_point
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.record import Outcome, outcome_of
from xpmlp.training.run import Reporter, RunSettings
from xpmlp.training.trainer import load_data, resolve_configured, train_to_the_end

ORPHAN_SECONDS = 60
"""Time to wait for an orphaned process to give up the same block."""


def train_one(block: Block, threads: int | None, reporter: Reporter, should_stop: Callable[[], bool]) -> list[Outcome]:
    """Train the runs of a block, from its newest checkpoint if it has one, and copy them to the host.

    Parameters
    ----------
    block : Block
    threads : int, optional
        Threads of the CPU libraries, where the config leaves them open; for NumPy, which uses as many as are
        worthwhile, the maximum.
    reporter : Reporter
    should_stop : () -> bool

    Returns
    -------
    outcomes : list of Outcome
        In the order of the block's members.
    """
    admit_code(block.config, allow_code=block.allow_code)
    path, checkpoints = block.config.data.path, block.checkpoints
    changed = path.stat().st_mtime_ns if path is not None and path.is_file() else None
    with contextlib.nullcontext() if checkpoints is None else run_folder.locked(checkpoints, timeout=ORPHAN_SECONDS):
        resumed = None if checkpoints is None else _resumed(checkpoints, block, reporter)
        backend = block.config.backend if resumed is None else as_before(block.config.backend, resumed.provenance)
        config = block.config.model_copy(update={"backend": backend})
        trainable, loading = _prepared(_common(config, threads).to_toml(), changed)
        with blas_threads_at_most(threads):
            return _train(trainable, loading, block, reporter, should_stop, resumed)


def _resumed(checkpoints: Path, block: Block, reporter: Reporter) -> ResumePoint | None:
    """Read the resume point of a block, ignoring one of other runs, as after a forced change of the grid."""
    resumed = resume_point(checkpoints, reporter.note)
    if resumed is None or _is_of(resumed, block):
        return resumed
    reporter.note(f"the checkpoint {resumed.checkpoint.path} is not of {block.label}: training from the beginning")
    return None


def _is_of(resumed: ResumePoint, block: Block) -> bool:
    """Whether a checkpoint is of the runs of a block, by all settings that a grid can vary."""
    before, now = resumed.provenance["config"], block.config.model_dump(mode="json")
    shared = [(section, axis) for axis, section in GRID_AXES.items() if axis not in RunSettings._fields]
    try:
        settings = [run["settings"] for run in resumed.checkpoint.description["training"]["runs"]]
        alike = all(before[section][axis] == now[section][axis] for section, axis in shared)
    except (LookupError, TypeError):
        return False
    return alike and settings == [list(one) for one in block.settings]


def _train(
    trainable: ConfigTrainable,
    loading: float,
    block: Block,
    reporter: Reporter,
    should_stop: Callable[[], bool],
    resumed: ResumePoint | None,
) -> list[Outcome]:
    with trainable.backend.session(trainable.rows_at_once):
        runs, training = train_to_the_end(trainable, block.settings, reporter, should_stop, block.checkpoints, resumed)
        return [
            replace(outcome_of(trainable, run, loading, training), config=member.config)
            for member, run in zip(block.members, runs, strict=True)
        ]


def _common(config: Config, threads: int | None) -> Config:
    """Make one config for all blocks of equal shapes, so that a process prepares data, backend and steps only once."""
    config = config.replaced(train={"seed": 0, "learning_rate": 0.0, "weight_decay": 0.0, "momentum": 0.0})
    if config.backend.threads is None and threads is not None and config.backend.name != "numpy":
        config = config.replaced(backend={"threads": threads})
    return config


@lru_cache(maxsize=2)
def _prepared(config_toml: str, changed: int | None) -> tuple[ConfigTrainable, float]:
    """Build the trainable of a config, and return it with the seconds for loading its data; cached for the next block.

    A process may outlive the grid, so the time when a user's own file last ``changed`` is part of the cache key.
    """
    config = Config.model_validate(tomllib.loads(config_toml))
    started = time.perf_counter()
    dataset = load_data(config)
    return ConfigTrainable(config, dataset, resolve_configured(config.backend).backend), time.perf_counter() - started
