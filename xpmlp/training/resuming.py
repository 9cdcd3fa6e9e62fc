"""Whether and how a training goes on from a checkpoint: what it was trained with, and what has changed since."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xpmlp._version import __version__
from xpmlp.backend import Backend
from xpmlp.checkpoint import Checkpoint, newest_checkpoint
from xpmlp.config import BackendConfig, Config
from xpmlp.data import Dataset
from xpmlp.errors import RunFolderError
from xpmlp.nn import Ops
from xpmlp.optim import schedules
from xpmlp.training.snapshot import Snapshot

HARMLESS = ("train.epochs", "data.root", "data.path", "grid.workers", "grid.scheduler")
"""What may change, besides ``[output]``.  The data's hashes tell whether those at another place are the same."""

COMPUTING = ("backend.name", "backend.device", "backend.fused", "backend.threads", "backend.tf32")
"""What may change, too, and is reported: the results will agree to rounding only."""

Circumstances = dict[str, Any]


class Earlier(NamedTuple):
    """A training to go on with.

    Attributes
    ----------
    checkpoint : Checkpoint
    circumstances : dict
        Those under which it was trained; see `circumstances_of`.
    epochs : int
        Whole epochs that are done.
    """

    checkpoint: Checkpoint
    circumstances: Circumstances
    epochs: int


def earlier_training(folder: Path, tell: Callable[[str], None]) -> Earlier | None:
    """The training that left the newest intact checkpoint in a folder; ``None`` where there is no checkpoint.

    Parameters
    ----------
    folder : Path
    tell : (str) -> None
        Given a sentence about each checkpoint that is damaged.

    Raises
    ------
    RunFolderError
        If all are damaged, or it is not a training's.
    """
    checkpoint = newest_checkpoint(folder, tell)
    if checkpoint is None:
        return None
    try:
        circumstances, epoch = checkpoint.description["circumstances"], checkpoint.description["training"]["epoch"]
        return Earlier(checkpoint, checked(circumstances), int(epoch) - 1)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise RunFolderError(
            f"the checkpoint {checkpoint.path} does not say how it was trained ({error!r}): "
            "train again with --overwrite."
        ) from error


def checked(circumstances: Circumstances) -> Circumstances:
    """What was read from a file, if it has the parts of what `circumstances_of` makes.

    Raises
    ------
    LookupError, TypeError
        If it has not.
    """
    tables = [circumstances[name] for name in ("config", "data", "computing")]
    if not all(isinstance(table, dict) for table in tables) or not all(
        isinstance(section, dict) for section in tables[0].values()
    ):
        raise TypeError("a table is missing")
    backend, threads = circumstances["computing"]["backend"], circumstances["computing"]["threads"]
    if not isinstance(backend, str) or not (threads is None or (isinstance(threads, int) and threads >= 1)):
        raise TypeError(f"{backend!r} with {threads!r} threads is no backend")
    return circumstances | {"name": str(circumstances["name"])}


def circumstances_of(config: Config, dataset: Dataset, backend: Backend, width: int) -> Circumstances:
    """What a training's bits depend on, besides its state; of JSON's types.

    Parameters
    ----------
    config : Config
    dataset : Dataset
    backend : Backend
        Within its session.
    width : int
        How many runs are stacked in a block.
    """
    return {
        "name": config.name,
        "config": config.model_dump(mode="json"),
        "data": _fingerprints(dataset),
        "computing": {
            "xpmlp": __version__,
            "backend": backend.name,
            "version": backend.version,
            "device": backend.device_name,
            "dtype": backend.dtype_name,
            "threads": backend.threads_in_use(),
            "fused operations": _fused_operations(backend.ops),
            "TF32": backend.tf32,
            "runs in a block": width,
            "processor": _processor(),
        },
    }


def check_config(before: Circumstances, config: Config, epochs_done: int, *, force: bool) -> None:
    """Refuse to go on with a config by which other results would have been reached; ``force`` refuses nothing.

    Raises
    ------
    RunFolderError
        With all that has changed, line by line.
    """
    refused = changes(before["config"], config, epochs_done)
    if refused and not force:
        lines = "\n".join(f"  {line}" for line in refused)
        raise RunFolderError(
            f"the training to resume had another config:\n{lines}\n"
            "Give it the old values, begin anew with --overwrite, or go on all the same with --force."
        )


def check_data(before: Circumstances, dataset: Dataset, *, force: bool) -> None:
    """Refuse to go on with other data; ``force`` refuses nothing.

    Raises
    ------
    RunFolderError
    """
    if sorted(map(str, before["data"].values())) != sorted(_fingerprints(dataset).values()) and not force:
        raise RunFolderError(
            f"the training to resume had other data: the content of {', '.join(dataset.hashes) or dataset.name} is not "
            "what it was. Bring the old data back, begin anew with --overwrite, or go on all the same with --force."
        )


def as_before(settings: BackendConfig, before: Circumstances) -> BackendConfig:
    """Backend settings with the number of threads of the training to resume, where the config leaves it open."""
    computing = before["computing"]
    if settings.threads is not None or computing["backend"] not in ("numpy", "torch"):
        return settings
    return settings.model_copy(update={"threads": computing["threads"]})


def differences(before: Circumstances, now: Circumstances) -> Iterator[str]:
    """Why the results will not be bitwise those of a training without interruption: a sentence, or none if they will.

    Parameters
    ----------
    before, now : dict
        Of `circumstances_of`.
    """
    old = before["computing"]
    changed = [
        f"{name} {_words(value)}, before {_words(old.get(name))}"
        for name, value in now["computing"].items()
        if value != old.get(name)
    ]
    if changed:
        yield f"not bitwise what it would have been without the interruption: {'; '.join(changed)}"


def notes_on_resuming(before: Circumstances, snapshot: Snapshot, now: Circumstances, steps: int) -> Iterator[str]:
    """What to tell a person: from where it goes on, and whether it will be bitwise what it would have been.

    Parameters
    ----------
    before, now : dict
        Of `circumstances_of`.
    snapshot : Snapshot
        From which it goes on.
    steps : int
        In an epoch.
    """
    epochs = now["config"]["train"]["epochs"]
    if not snapshot.running or snapshot.epoch > epochs:
        yield f"nothing is left to train: it has ended after {snapshot.steps:,} steps"
    else:
        done = snapshot.steps_under_way
        where = f"with {done:,} of its {steps:,} steps done" if done else "at its beginning"
        yield f"resuming after {snapshot.steps:,} steps, in epoch {snapshot.epoch} of {epochs}, {where}"
    yield from differences(before, now)


def changes(before: Mapping[str, Any], config: Config, epochs_done: int) -> list[str]:
    """What has changed in a config that makes another training of it, a line for each key.

    Parameters
    ----------
    before : dict
        The sections of the config before.
    config : Config
    epochs_done : int
        Whole epochs that were trained.
    """
    return list(_changes(before, config, epochs_done))


def _changes(before: Mapping[str, Any], config: Config, epochs_done: int) -> Iterator[str]:
    now = config.model_dump(mode="json")
    for section, table in now.items():
        for key, value in table.items():
            name, old = f"{section}.{key}", before.get(section, {}).get(key, value)
            if value == old or section == "output" or name in COMPUTING:
                continue
            why = _harm(name, config, epochs_done)
            if why is not None:
                yield f"{name} = {_words(value)}, before {_words(old)}{why}"


def _harm(name: str, config: Config, epochs_done: int) -> str | None:
    """Why a change of this key matters, where that is not plain; ``None`` if it does not matter."""
    if name not in HARMLESS:
        return ""
    if name == "train.epochs":
        train, model = config.train, config.model
        chosen = {
            "train.schedule": train.schedule,
            "train.weight_decay_schedule": train.weight_decay_schedule,
            "model.dropout_schedule": model.dropout_schedule,
        }
        for key, schedule in chosen.items():
            if schedules[schedule].needs_length:
                return f' ({key} = "{schedule}" depends on it)'
        if 0 < config.train.warmup < 1:
            return f" (train.warmup = {config.train.warmup:g} depends on it)"
    if name == "train.epochs" and config.train.epochs < epochs_done:
        return f" ({epochs_done} are done)"
    return None


def _fingerprints(dataset: Dataset) -> dict[str, str]:
    """What tells data from other data: their files' hashes, or those of arrays that were given in the host's memory."""
    part = dataset.train
    arrays = {} if dataset.hashes else {"features": part.features, "targets": part.targets, "codes": part.codes}
    return {
        **dataset.hashes,
        **{
            name: hashlib.sha256(array.tobytes()).hexdigest()
            for name, array in arrays.items()
            if isinstance(array, np.ndarray)
        },
        "examples": str(len(part)),
    }


def _fused_operations(ops: Ops) -> list[str]:
    """The operations that are not the pure definitions."""
    definitions = {
        name: getattr(operation, "func", operation) for name, operation in ops._asdict().items() if name != "xp"
    }
    return [name for name, function in definitions.items() if function.__module__ != Ops.__module__]


def _processor() -> str:
    """The kind of CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
