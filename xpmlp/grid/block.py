"""Training one block.  The function is sent to another process, so it takes and gives plain values."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from xpmlp.config import Config
from xpmlp.grid.plan import Block
from xpmlp.training.outcome import Outcome, Timing, outcome_of
from xpmlp.training.problem import Problem
from xpmlp.training.reporter import Reporter
from xpmlp.training.trainer import load_data, resolve_configured, train_to_the_end

EXPECTED_STATES = 3
"""Copies of the parameters that a run needs besides the optimiser's: themselves, the last finite ones, a gradient."""

MEMORY_SHARE = 0.8
"""The part of a device's free memory that the runs of a block may take."""

_OPTIMIZER_STATES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2}


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


def width_that_fits(config: Config, n_features: int, n_classes: int, free: int) -> int:
    """How many runs of a config can be stacked in ``free`` bytes of a device's memory; at least one.

    Counted are the parameters with their copies, the optimiser's state, and the activations and deltas of a batch.
    """
    sizes = [n_features, *config.model.hidden_layer_sizes, n_classes]
    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    states = EXPECTED_STATES + _OPTIMIZER_STATES[config.train.optimizer]
    numbers = states * parameters + 3 * config.train.batch_size * sum(sizes)
    size = 4 if config.backend.dtype == "float32" else 8
    return max(1, int(MEMORY_SHARE * free) // (numbers * size))


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
    dataset = load_data(config.data)
    return Problem(config, dataset, resolve_configured(config.backend).backend), time.perf_counter() - started
