"""Training one block.  The function is sent to another process, so it takes and gives plain values."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from xpmlp.config import Config
from xpmlp.grid.plan import Block
from xpmlp.training.outcome import Outcome, Timing, outcome_of
from xpmlp.training.problem import Problem
from xpmlp.training.reporter import Reporter
from xpmlp.training.trainer import load_data, resolve_configured, train_to_the_end


def train_one(block: Block, threads: int | None, reporter: Reporter, should_stop: Callable[[], bool]) -> list[Outcome]:
    """Train the runs of a block and bring them to the host.

    Parameters
    ----------
    block : Block
    threads : int, optional
        Threads of the CPU libraries, where the config leaves them open.
    reporter : Reporter
    should_stop : () -> bool

    Returns
    -------
    outcomes : list of Outcome
        In the order of the block's members.
    """
    path = block.config.data.path
    changed = path.stat().st_mtime_ns if path is not None and path.is_file() else None
    problem, loading = _prepared(_common(block.config, threads).to_toml(), changed)
    with problem.backend.session(block.config.train.batch_size):
        runs, training = train_to_the_end(problem, block.settings, reporter, should_stop)
        timing = Timing(loading, training)
        return [
            replace(outcome_of(problem, run, timing), config=member.config)
            for member, run in zip(block.members, runs, strict=True)
        ]


def _common(config: Config, threads: int | None) -> Config:
    """What the blocks of equal shapes share, so that a process prepares it once: data, backend, compiled steps."""
    train = config.train.model_copy(update={"seed": 0, "learning_rate": 0.0, "weight_decay": 0.0, "momentum": 0.0})
    backend = config.backend
    if backend.threads is None and threads is not None:
        backend = backend.model_copy(update={"threads": threads})
    return config.model_copy(update={"train": train, "backend": backend})


@lru_cache(maxsize=2)
def _prepared(config_toml: str, changed: int | None) -> tuple[Problem, float]:
    """The problem that a config describes, with the seconds that its data took; kept for the next block.

    A process may outlive the grid, so that a user's own file has to be told from what it was when it last ``changed``.
    """
    config = Config.model_validate(tomllib.loads(config_toml))
    started = time.perf_counter()
    dataset = load_data(config)
    return Problem(config, dataset, resolve_configured(config.backend).backend), time.perf_counter() - started
