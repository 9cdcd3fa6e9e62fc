"""Provenance of a training: everything besides its state that determines its bits, and changes allowed on resuming."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xpmlp._version import __version__
from xpmlp.backend import Backend
from xpmlp.config import BackendConfig, Config
from xpmlp.data import Dataset
from xpmlp.errors import RunFolderError
from xpmlp.nn import Ops
from xpmlp.optim import schedules
from xpmlp.storage.checkpoints import Checkpoint, newest_checkpoint

HARMLESS = ("train.epochs", "data.root", "data.path", "grid.workers", "grid.scheduler")
"""Keys that may change, besides ``[output]``.  The hashes of the data show whether moved data are the same."""

COMPUTING = ("backend.name", "backend.device", "backend.fused", "backend.threads", "backend.tf32")
"""Further keys that may change, with a note: the results then agree only up to rounding."""

Provenance = dict[str, Any]

KEY = "circumstances"
"""The key of a provenance in files."""


class ResumePoint(NamedTuple):
    """Checkpoint from which a training resumes.

    Attributes
    ----------
    checkpoint : Checkpoint
    provenance : dict
        Provenance of the training that wrote it; see `provenance_of`.
    epochs : int
        Number of epochs begun.
    examples : int
        Number of training examples.
    """

    checkpoint: Checkpoint
    provenance: Provenance
    epochs: int
    examples: int


def resume_point(folder: Path, tell: Callable[[str], None]) -> ResumePoint | None:
    """Read the newest intact checkpoint of a folder; ``None`` if it has no checkpoint.

    Parameters
    ----------
    folder : Path
    tell : (str) -> None
        Called with a sentence about each damaged checkpoint.

    Raises
    ------
    RunFolderError
        If all are damaged, or the newest intact one is not that of a training.
    """
    checkpoint = newest_checkpoint(folder, tell)
    if checkpoint is None:
        return None
    try:
        provenance, training = checkpoint.description[KEY], checkpoint.description["training"]
        begun = int(training["epoch"]) - (int(training["step"]) == 0)
        return ResumePoint(checkpoint, checked(provenance), begun, int(provenance["data"]["examples"]))
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise RunFolderError(
            f"the checkpoint {checkpoint.path} does not say how it was trained ({error!r}): "
            "train again with --overwrite."
        ) from error


def checked(provenance: Provenance) -> Provenance:
    """Check that a provenance read from a file has the structure of one from `provenance_of`.

    Raises
    ------
    LookupError, TypeError
        If a part is missing or has the wrong type.
    """
    tables = [provenance[name] for name in ("config", "data", "computing")]
    if not all(isinstance(table, dict) for table in tables) or not all(
        isinstance(section, dict) for section in tables[0].values()
    ):
        raise TypeError("a table is missing")
    backend, threads = provenance["computing"]["backend"], provenance["computing"]["threads"]
    if not isinstance(backend, str) or not (threads is None or (isinstance(threads, int) and threads >= 1)):
        raise TypeError(f"{backend!r} with {threads!r} threads is no backend")
    return provenance | {"name": str(provenance["name"])}


def provenance_of(config: Config, dataset: Dataset, backend: Backend, width: int) -> Provenance:
    """Gather everything besides its state that determines a training's bits, in JSON's types.

    Parameters
    ----------
    config : Config
    dataset : Dataset
    backend : Backend
        Within its session.
    width : int
        Number of runs stacked in a block.
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
            "processor": processor(),
        },
    }


def as_resolved(config: Config, before: Provenance) -> Config:
    """Return the config with the epochs and the batch size of the training to resume, where it leaves them open.

    They are left open by `"auto"`, also within ``train.max_seconds``.
    """
    train, old = config.train, before["config"].get("train", {})
    chosen = {key: old[key] for key in ("epochs", "batch_size") if getattr(train, key) == "auto" and key in old}
    if train.epochs in ("auto", old.get("epochs")) and old.get("max_seconds") is None:
        chosen["max_seconds"] = None  # the epochs are those that fit
    return config.replaced(train=chosen)


def check_config(before: Provenance, config: Config, epochs_begun: int, *, force: bool) -> None:
    """Check that the config would have led to the same results, before resuming; ``force`` accepts any config.

    Raises
    ------
    RunFolderError
        With all relevant changes, one per line.
    """
    refused = [f"  {line}" for line in changes(before["config"], config, epochs_begun)]
    if refused and not force:
        lines = "\n".join(refused)
        raise RunFolderError(
            f"the training to resume had another config:\n{lines}\n"
            "Give it the old values, begin anew with --overwrite, or continue anyway with --force."
        )


def check_data(before: Provenance, dataset: Dataset, *, force: bool) -> None:
    """Check that the data are the same, before resuming; ``force`` accepts any data.

    Raises
    ------
    RunFolderError
    """
    if sorted(map(str, before["data"].values())) != sorted(_fingerprints(dataset).values()) and not force:
        raise RunFolderError(
            f"the training to resume had other data: the content of {', '.join(dataset.hashes) or dataset.name} is not "
            "what it was. Bring the old data back, begin anew with --overwrite, or continue anyway with --force."
        )


def as_before(settings: BackendConfig, before: Provenance) -> BackendConfig:
    """Return the backend settings with the threads of the training to resume, if the config leaves them open."""
    computing = before["computing"]
    if settings.threads is not None or computing["backend"] not in ("numpy", "torch"):
        return settings
    return settings.model_copy(update={"threads": computing["threads"]})


def differences(before: Provenance, now: Provenance) -> Iterator[str]:
    """Yield a sentence on why results will differ bitwise from an uninterrupted training; nothing if they will not.

    Parameters
    ----------
    before, now : dict
        From `provenance_of`.
    """
    old = before["computing"]
    changed = [
        f"{name} {_words(value)}, before {_words(old.get(name))}"
        for name, value in now["computing"].items()
        if value != old.get(name)
    ]
    if changed:
        yield f"not bitwise what it would have been without the interruption: {'; '.join(changed)}"


def changes(before: Mapping[str, Any], config: Config, epochs_begun: int) -> Iterator[str]:
    """Yield a line for each change to a config that makes it a different training.

    Parameters
    ----------
    before : dict
        Sections of the earlier config.
    config : Config
    epochs_begun : int
    """
    now = config.model_dump(mode="json")
    for section, table in now.items():
        for key, value in table.items():
            name, old = f"{section}.{key}", before.get(section, {}).get(key, value)
            if value == old or section == "output" or name in COMPUTING:
                continue
            why = _harm(name, config, epochs_begun)
            if why is not None:
                yield f"{name} = {_words(value)}, before {_words(old)}{why}"


def _harm(name: str, config: Config, epochs_begun: int) -> str | None:
    """Return why a change of this key matters, empty if that is obvious; ``None`` if it does not matter."""
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
    if name == "train.epochs" and config.train.length.epochs < epochs_begun:
        return f" ({epochs_begun} are begun)"
    return None


def _fingerprints(dataset: Dataset) -> dict[str, str]:
    """Return fingerprints of data: hashes of their files, or of arrays in host memory, and the number of examples."""
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
    """List the operations that differ from the pure definitions."""
    definitions = {
        name: getattr(operation, "func", operation) for name, operation in ops._asdict().items() if name != "xp"
    }
    return [name for name, function in definitions.items() if function.__module__ != Ops.__module__]


def processor() -> str:
    """Return the CPU model if available (Linux), else the platform's description of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
