"""Run folders: the results of a training on disk."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from xpmlp._files import refuse_overwriting, write_bytes, write_text
from xpmlp._locks import MARKER, InUseError, exclusive
from xpmlp._paths import os_errors_as
from xpmlp._tree import leaves
from xpmlp.config import Config, OutputConfig, admit_code, load_config, refuse_unimportable
from xpmlp.errors import ConfigError, PlotError, RunFolderError
from xpmlp.storage.network import SavedNetwork, load_network, save_network
from xpmlp.tensorboard import remove_events

PAGE = "page.html"
"""Page of a network, written by `xpmlp.pages`."""

FILES = (
    "config.toml",
    "run.json",
    "epochs.csv",
    "train_after.csv",
    "batch_losses.npy",
    "weights.safetensors",
    "loss.png",
    "loss.svg",
    "epochs.png",
    PAGE,
)
"""Files of a run folder."""

EXPORTS = {"onnx": "model.onnx", "torch": "model.safetensors"}
"""Names of a network's exports, by format, in its run folder; the code of one for PyTorch is beside it, in ``.py``."""

RUNS = "runs"
"""Subfolder of a grid's folder with a run folder for each of its runs, named by its number."""

SUMMARY = "summary.csv"
"""Additional file of a grid's folder."""


CHECKPOINTS = "checkpoints"
"""Subfolder with the checkpoints for resuming a training."""

START = "start.safetensors"
"""File among the checkpoints: the network that a training went on from, for resuming it."""

LOCK = ".lock"
"""Lock of the process that trains into a folder.  The file remains; the lock ends with the process."""


def prepare(folder: Path, config: Config, *, overwrite: bool, resume: bool = False) -> None:
    """Check that the run folder can be written before training starts; creates nothing.

    Raises
    ------
    RunFolderError
        If the folder has contents that are neither to be overwritten nor a training to resume, is not a folder, or
        cannot be listed; or if both ``overwrite`` and ``resume`` are given.
    XpmlpError
        If the training would overwrite the config's own file or its data, or the config has an object that cannot be
        named in its text.
    BackendError
        If TensorBoard files are requested and their writer is not installed.
    """
    refuse_unimportable(config)
    if config.output.tensorboard:
        from xpmlp.tensorboard import check_installed

        check_installed()
    if overwrite and resume:
        raise RunFolderError(f"to overwrite {folder} and to resume what is in it exclude each other: choose one.")
    _check_usable(folder, overwrite=overwrite, resume=resume)
    names = (*FILES, *EXPORTS.values(), SUMMARY, CHECKPOINTS)
    written = [folder / name for name in names if not (resume and name == "config.toml")]
    refuse_overwriting([*written, *(folder / RUNS).glob("[0-9]*")], config.files)


def _check_usable(folder: Path, *, overwrite: bool, resume: bool) -> None:
    with os_errors_as(RunFolderError, f"the run folder {folder} cannot be used"):
        exists, is_folder = folder.exists(), folder.is_dir()
        names = {path.name for path in folder.iterdir()} - {LOCK, LOCK + MARKER} if is_folder else set()
    if exists and not is_folder:
        raise RunFolderError(f"{folder} is a file, not a folder: choose another with --out.")
    if resume and names and "config.toml" not in names:
        raise RunFolderError(f"{folder} holds no training to resume: it has no config.toml.")
    if names and not overwrite and not resume:
        raise RunFolderError(
            f"the run folder {folder} is not empty: choose another with --out, replace it with --overwrite, or "
            "continue the training in it with --resume."
        )


@contextmanager
def locked(folder: Path, timeout: float = 0.0) -> Iterator[None]:
    """Create a folder if it is missing, and lock it against trainings by other processes.

    Parameters
    ----------
    folder : Path
    timeout : float
        Seconds to wait for another process to release it.

    Raises
    ------
    RunFolderError
        If another process is training into it, or the folder cannot be created or written to.
    """
    with os_errors_as(RunFolderError, f"the run folder {folder} cannot be made"):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RunFolderError(f"the run folder {folder} cannot be written to: choose another with --out.")
    with contextlib.ExitStack() as held:
        try:
            with as_run_folder_errors(folder):
                held.enter_context(exclusive(folder / LOCK, timeout))
        except InUseError as error:
            advice = f"; {error}" if str(error) else ""
            raise RunFolderError(
                f"the run folder {folder} is in use: another process is training into it{advice}."
            ) from None
        yield


def start_of(folder: Path, given: SavedNetwork | None) -> SavedNetwork | None:
    """Return the network that the training in a folder went on from; before it begins, the one given.

    Raises
    ------
    RunFolderError
        If the one given is another, or the file is damaged.
    """
    path = folder / CHECKPOINTS / START
    if not path.is_file():
        return given
    kept = load_network(path)
    if given is not None and not _same(kept, given):
        raise RunFolderError(f"the training in {folder} went on from another network: resume it from that, or without.")
    return kept


def _same(one: SavedNetwork, other: SavedNetwork) -> bool:
    arrays, others = (dict(leaves(network.parameters)) for network in (one, other))
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


def begin(folder: Path, config: Config, *, overwrite: bool, resume: bool, start: SavedNetwork | None = None) -> None:
    """Begin a training in a locked folder: remove earlier results unless it resumes, and write its config.

    Parameters
    ----------
    start : SavedNetwork, optional
        The network that the training continues from, to be kept for resuming.

    Raises
    ------
    RunFolderError
        As `prepare`, or if the folder cannot be written to.
    """
    _check_usable(folder, overwrite=overwrite, resume=resume)
    with as_run_folder_errors(folder):
        for debris in _debris(folder):
            debris.unlink(missing_ok=True)
        if not resume:
            _remove_results(folder)
            remove_members(folder)
            if (folder / CHECKPOINTS).is_dir():
                shutil.rmtree(folder / CHECKPOINTS)
        if start is not None and config.output.checkpoint_every is not None:
            (folder / CHECKPOINTS).mkdir(exist_ok=True)
            save_network(folder / CHECKPOINTS / START, start)
        write_text(folder / "config.toml", config.to_toml())


def _debris(folder: Path) -> Iterator[Path]:
    """Yield the temporary files of a process killed while writing."""
    for name in (*FILES, SUMMARY):
        yield from folder.glob(f".{name}.*.part*")
    yield from (folder / CHECKPOINTS).rglob(".*.part*")


def _remove_results(folder: Path) -> None:
    """Remove the results of an earlier training, with its exports and event files; nothing else is touched."""
    if (folder / "weights.safetensors").exists():  # else they are not of a training
        if (folder / EXPORTS["torch"]).exists():
            (folder / EXPORTS["torch"]).with_suffix(".py").unlink(missing_ok=True)
        for name in EXPORTS.values():
            (folder / name).unlink(missing_ok=True)
    remove_events(folder)
    for name in (*FILES, SUMMARY):
        if name != "config.toml":
            (folder / name).unlink(missing_ok=True)


def write(folder: Path, config: Config, files: Mapping[str, str | bytes], network: SavedNetwork | None = None) -> None:
    """Write the results of a training, each file whole or not at all.

    Parameters
    ----------
    folder : Path
    config : Config
    files : dict
        Content by name, in writing order; ``run.json``, last, marks the folder as complete.
    network : SavedNetwork, optional

    Raises
    ------
    RunFolderError
        If the disk is full or the folder cannot be written to.
    """
    with as_run_folder_errors(folder):
        _remove_results(folder)  # from before it was resumed: never a mixture of two trainings
        write_text(folder / "config.toml", config.to_toml())
        if network is not None:
            save_network(folder / "weights.safetensors", network)
        for name, content in files.items():
            if isinstance(content, str):
                write_text(folder / name, content)
            else:
                write_bytes(folder / name, content)


def draw(folder: Path, output: OutputConfig, note: Callable[[str], None]) -> None:
    """Draw the plots and write the TensorBoard files requested by ``[output]``, from the numbers in a folder.

    Parameters
    ----------
    folder : Path
    output : OutputConfig
    note : (sentence) -> None
        Called if matplotlib cannot be used; the numbers do not depend on it.

    Raises
    ------
    RunFolderError
        If the disk is full or the folder cannot be written to.
    """
    with as_run_folder_errors(folder):
        if output.plots:
            from xpmlp.plots import draw_run

            try:
                draw_run(folder)
            except PlotError as error:
                note(f"{error} The numbers are in {folder}, without curves.")
        if output.tensorboard:
            from xpmlp.tensorboard import write_events

            write_events(folder)


def remove_members(folder: Path) -> None:
    """Remove the runs of the grid in a folder, finished or not; nothing else is touched."""
    runs = folder / RUNS
    if runs.is_symlink():
        runs.unlink()  # its target is not part of this folder
    elif runs.is_dir():
        for path in runs.iterdir():
            if path.name.removeprefix(".").isdecimal():
                shutil.rmtree(path)
        if not any(runs.iterdir()):
            runs.rmdir()


def as_run_folder_errors(folder: Path) -> AbstractContextManager[None]:
    """Convert the operating system's errors to errors about a run folder."""
    return os_errors_as(RunFolderError, f"the run folder {folder} cannot be written")


def read(
    folder: Path,
    run: str | int | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    backend: str | None = None,
    device: str | None = None,
    allow_code: bool = False,
) -> tuple[Config, SavedNetwork]:
    """Read the config and the network of a run folder.

    Parameters
    ----------
    folder : Path
        Folder of one run, or of a grid.
    run : str or int, optional
        Run of a grid: its number, or ``best``, the run with the lowest validation loss (else test loss, else training
        loss).
    overrides : dict, optional
        Values that replace the config's, by dotted key: the place of the data, or the backend.
    backend, device : str, optional
        Backend and device for the computation, by default the config's.
    allow_code : bool
        Import the external records that the config names as ``module:object``.

    Raises
    ------
    RunFolderError, ConfigError
        If it is not a run folder or is damaged, there is no such run, an override would change the network, or the
        config names code that is not allowed or cannot be imported.
    """
    for key in overrides or {}:
        if key.partition(".")[0] not in ("data", "backend"):
            raise ConfigError(f"{key}: the network is trained already; set keys of [data] and [backend] only.")
    with os_errors_as(RunFolderError, f"the run folder {folder} cannot be read"):
        if not folder.is_dir():
            raise RunFolderError(f"there is no run folder {folder}: give the folder that `xpmlp train` has written.")
        folder = member_folder(folder, run)
        if not (folder / "config.toml").is_file():
            raise RunFolderError(f"{folder} is not a run folder: it has no config.toml.")
    config = load_config(folder / "config.toml", overrides)
    if backend is not None or device is not None:
        place = {"device": device} if backend is None else {"name": backend, "device": device}
        config = config.replaced(backend=place)
    admit_code(config, allow_code=allow_code)
    return config, load_network(folder / "weights.safetensors")


def member_folder(folder: Path, run: str | int | None) -> Path:
    """Return the folder of one run of a grid, by its number or ``best``, or ``folder`` itself if it holds a single run.

    Raises
    ------
    RunFolderError
        If there is no such run, or ``run`` is given for a single run or missing for a grid.
    """
    members = runs_in(folder)
    if not members:
        if run is not None:
            raise RunFolderError(f"{folder} holds a single run: leave out --run.")
        return folder
    allowed = f"give --run best, or a number from {min(members)} to {max(members)}"
    if run is None:
        raise RunFolderError(f"{folder} holds {len(members)} runs: {allowed}.")
    run = str(run)
    if run == "best":
        return members[min(members, key=lambda number: _deciding_loss(members[number]))]
    if not run.isdecimal() or int(run) not in members:
        raise RunFolderError(f"{folder} holds no run {run!r}: {allowed}.")
    return members[int(run)]


def runs_in(folder: Path) -> dict[int, Path]:
    """Return the folders of a grid's runs by their numbers; empty for a single run.

    Raises
    ------
    RunFolderError
        If it is a grid's folder without finished runs.
    """
    if not (folder / RUNS).is_dir():
        return {}
    members = {int(path.name): path for path in (folder / RUNS).iterdir() if path.name.isdecimal()}
    if not members:
        raise RunFolderError(f"{folder} holds no run that was finished: train it again.")
    return dict(sorted(members.items()))


def _deciding_loss(folder: Path) -> float:
    """Return the loss for comparing a run's weights with others; infinity if there is none."""
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        last = None if facts["status"] == "diverged" else facts["final"]  # older than the saved weights
        final, test = facts["best"] or last or {}, facts["test"] or {}
        figures = (final.get("validation_loss"), test.get("loss"), final.get("train_loss"))
        return next((float(figure) for figure in figures if figure is not None), math.inf)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{folder / 'run.json'} cannot be read: {error}.") from error
