"""Pace of a config's training on its backend, measured in this process: steps and examples a second, memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

from xpmlp.bench.stopwatch import Stopwatch
from xpmlp.config import Config
from xpmlp.errors import DivergenceError
from xpmlp.grid.plan import members_of
from xpmlp.training import Run
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.training.stack import as_stack
from xpmlp.training.trainer import load_data, resolve_configured

WARM_UP = 10.0
"""Maximum seconds of warm-up, for compilers and caches, unless the measurement is longer."""


class Pace(NamedTuple):
    """Speed and memory of a training.

    Attributes
    ----------
    version : str
        Version of the backend's library.
    device_name : str
        ``cpu``, or the GPU's product name.
    steps_per_second, examples_per_second : float
        Rates of the training loop, without validation.
    epoch_seconds : float
        Time of an epoch, with its validation.
    peak_memory : int or None
        Peak host memory of the process in bytes: library, data and training.  ``None`` if the system does not report it
        (Windows).
    """

    version: str
    device_name: str
    steps_per_second: float
    examples_per_second: float
    epoch_seconds: float
    peak_memory: int | None


def measure_pace(config: Config, seconds: float) -> Pace:
    """Measure the pace of a config's training on its backend, for about ``seconds``; of a grid, its first run.

    A warm-up comes first, of about an epoch, but no longer than `WARM_UP`, or ``seconds`` if that is more.

    Parameters
    ----------
    config : Config
    seconds : float

    Returns
    -------
    pace : Pace

    Raises
    ------
    BackendError, DataError
        As `xpmlp.train`.
    DivergenceError
        If the loss stops being finite at once.
    """
    config = members_of(config)[0].config
    backend = resolve_configured(config.backend).backend
    trainable = ConfigTrainable(config, load_data(config), backend)
    with backend.session(trainable.rows_at_once):
        one_epoch = trainable.n_examples // trainable.settings.batch_size + 1
        run = _train(trainable, Stopwatch(most_steps=one_epoch, most_seconds=max(seconds, WARM_UP)))
        watch = Stopwatch(most_seconds=seconds)
        while watch.seconds < seconds:
            before = watch.steps
            run = _train(trainable, watch)
            if watch.steps == before:
                raise DivergenceError("the loss stopped being finite at once: try a lower train.learning_rate.")
        validation = _seconds_of_validation(trainable, run)
    epoch_seconds = trainable.n_examples * watch.seconds / watch.examples + validation
    return Pace(
        backend.version,
        backend.device_name,
        watch.steps / watch.seconds,
        watch.examples / watch.seconds,
        epoch_seconds,
        peak_memory(),
    )


def _train(trainable: ConfigTrainable, watch: Stopwatch) -> Run:
    (run,) = train_block(trainable, [RunSettings.of(trainable.config.train)], watch, watch.enough)
    return run


def _seconds_of_validation(trainable: ConfigTrainable, run: Run) -> float:
    if trainable.validation_examples is None or run.parameters is None:
        return 0.0
    for _ in range(2):  # the second time without compilers
        started = time.perf_counter()
        trainable.inference.evaluate(as_stack(run.parameters), trainable.validation_examples)
    return time.perf_counter() - started


def peak_memory() -> int | None:
    """Return this process's peak memory in bytes; ``None`` if the system does not report it."""
    # Linux's getrusage counts the memory that the parent had when it started this process
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
