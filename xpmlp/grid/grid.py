"""`train_grid`: from a config with a grid to many trained networks, and their run folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xpmlp._files import write_bytes, write_text
from xpmlp.backend import Backend
from xpmlp.checkpoint import SavedNetwork
from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.errors import GridError
from xpmlp.grid.plan import Block, Member, blocks_of, members_of
from xpmlp.grid.schedule import run_here, run_in_processes, run_on_dask
from xpmlp.grid.summary import Summary, summarize, summary_csv
from xpmlp.training import run_folder
from xpmlp.training.history import History, batch_losses_npy, epochs_csv, train_after_csv
from xpmlp.training.memory import footprint
from xpmlp.training.outcome import Outcome
from xpmlp.training.problem import Problem
from xpmlp.training.reporter import Reporter
from xpmlp.training.run import Run
from xpmlp.training.trainer import load_data, resolve_configured

FILES = (run_folder.SUMMARY, *run_folder.FILES)
"""What a grid's folder holds, beside a folder for each run under ``runs/``."""


class GridReporter(Reporter):
    """A listener that does nothing; a subclass overrides what it wants to hear.

    It hears of segments and epochs, too, where the blocks are trained in this process.
    """

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        """So many runs in so many blocks on so many processes, or on a cluster's; ``examples`` in all to be visited."""

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        """A block is done and written; ``examples`` of it were trained elsewhere, unheard."""


@dataclass(frozen=True)
class GridResult:
    """What a grid gave.

    Attributes
    ----------
    members : list of Member
        The runs that have ended: their values, and the config of each alone.
    runs : list of Run
        Their records.
    networks : list of SavedNetwork
        Their networks, on the host.
    summaries : list of Summary
        Means and deviations over the seeds.
    history : History
        The figures of every epoch and batch; ``run`` and the columns count the runs as they stand in ``members``.
    run_dir : Path or None
    """

    members: list[Member]
    runs: list[Run]
    networks: list[SavedNetwork]
    summaries: list[Summary]
    history: History
    run_dir: Path | None


def train_grid(
    config: Config,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    reporter: GridReporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> GridResult:
    """Train all runs of a config's grid.

    Runs of equal shapes are stacked in blocks, and blocks are trained side by side as ``[grid]`` says.  Where that
    takes worker processes, a script has to call this under ``if __name__ == "__main__":``, as for every use of
    `multiprocessing`.

    Parameters
    ----------
    config : Config
        One without a grid is a grid of one run.
    out : path, optional
        The folder to write.  Each run gets a run folder of its own in ``runs/``, whole, when its block is done.
    overwrite : bool
        Replace the grid that is in the folder.
    reporter : GridReporter, optional
    should_stop : () -> bool
        Where it says so, blocks that have not begun are left out and the others end as interrupted.

    Returns
    -------
    result : GridResult

    Raises
    ------
    BackendError, DataError, RunFolderError
        As `xpmlp.train`.
    GridError
        If a block raised an error; what the others gave is written first.
    """
    reporter = reporter or GridReporter()
    folder = None if out is None else Path(out)
    choice = resolve_configured(config.backend)
    if folder is not None:
        run_folder.prepare(folder, config.output, overwrite=overwrite)
    dataset = load_data(config, quiet=reporter.quiet)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, config, overwrite=overwrite)
    members = members_of(config)
    blocks = blocks_of(members, _width(config, dataset, choice.backend))
    workers = min(_workers(config, choice.backend), len(blocks))
    scheduler = config.grid.scheduler
    sizes = Problem(config, dataset, choice.backend).sizes
    reporter.prepared(choice, dataset, sizes)
    per_run = len(dataset.train) * config.train.epochs
    reporter.planned(len(members), len(blocks), workers if scheduler is None else None, per_run * len(members))
    outcomes: dict[int, Outcome] = {}
    remote = workers > 1 or scheduler is not None

    def done(block: Block, ended: list[Outcome]) -> None:
        for member, outcome in zip(block.members, ended, strict=True):
            outcomes[member.number] = outcome
            if folder is not None:
                _write_run(folder, member, len(members), outcome)
        reporter.block(block, ended, per_run * len(ended) if remote else 0)

    if scheduler is not None:
        failures = run_on_dask(blocks, scheduler, should_stop, done)
    elif workers > 1:
        failures = run_in_processes(blocks, workers, _threads(choice.backend, workers), should_stop, done)
    else:
        failures = run_here(blocks, reporter, should_stop, done)
    reporter.end()
    result = _result(config, [member for member in members if member.number in outcomes], outcomes, folder)
    if failures:
        raise GridError(_complaint(blocks, failures, folder))
    return result


def _result(config: Config, ended: list[Member], outcomes: dict[int, Outcome], folder: Path | None) -> GridResult:
    runs = [outcomes[member.number].run for member in ended]
    networks = [outcomes[member.number].network for member in ended]
    result = GridResult(ended, runs, networks, summarize(ended, runs), History.of(runs), folder)
    if folder is not None and ended:
        with run_folder.explained(folder):
            _write(folder, config, result, outcomes)
    return result


def _write(folder: Path, config: Config, result: GridResult, outcomes: dict[int, Outcome]) -> None:
    """Write what concerns all runs; ``run.json``, last, says that it is there."""
    numbers = [member.number for member in result.members]
    write_text(folder / "config.toml", config.to_toml())
    write_text(folder / "epochs.csv", epochs_csv(result.runs, numbers))
    if (after := train_after_csv(result.runs, numbers)) is not None:
        write_text(folder / "train_after.csv", after)
    write_bytes(folder / "batch_losses.npy", batch_losses_npy(result.history.batch_losses))
    write_text(folder / run_folder.SUMMARY, summary_csv(result.summaries))
    facts = dict(outcomes[numbers[0]].facts)
    for name in ("seconds", "layer_sizes", "batch_size", "steps_per_epoch"):
        if any(outcomes[number].facts[name] != facts[name] for number in numbers):
            del facts[name]  # differs between the runs: in the folder of each
    described = [
        {"run": member.number, **member.point, **run_folder.run_facts(run)}
        for member, run in zip(result.members, result.runs, strict=True)
    ]
    write_text(folder / "run.json", json.dumps({"name": config.name, **facts, "runs": described}, indent=2) + "\n")
    run_folder.draw(folder, config.output)


def _claim(folder: Path, config: Config, *, overwrite: bool) -> None:
    """Make the folder ready, without the files of a grid that is to be replaced."""
    run_folder.begin(folder, config, overwrite=overwrite, resume=False)
    with run_folder.explained(folder):
        (folder / run_folder.RUNS).mkdir(exist_ok=True)


def _write_run(folder: Path, member: Member, count: int, outcome: Outcome) -> None:
    """Write a run's own folder under another name, and move it into place when it is whole."""
    name = f"{member.number:0{len(str(count - 1))}d}"
    final = folder / run_folder.RUNS / name
    with run_folder.explained(final):
        partial = final.with_name(f".{name}")
        partial.mkdir()
        run_folder.write(partial, outcome)
        partial.replace(final)


def _width(config: Config, dataset: Dataset, backend: Backend) -> int:
    """How many runs to stack: as the config says, or all on a GPU and one on a CPU; no more than the memory holds."""
    free, wanted = backend.free_memory(), config.grid.block_width
    members = members_of(config)
    if wanted == "auto":
        wanted = len(members) if backend.is_accelerator else 1
    if free is None:
        return wanted
    share = free // min(_workers(config, backend), len(members))
    return min(wanted, *(footprint(Problem(member.config, dataset, backend)).widest(share) for member in members))


def _workers(config: Config, backend: Backend) -> int:
    """How many processes: as the config says, or one for each core where a process keeps to one thread."""
    if config.grid.workers != "auto":
        return config.grid.workers
    return 1 if backend.is_accelerator or backend.name == "jax" else _cores()


def _threads(backend: Backend, workers: int) -> int | None:
    """Each process's share of the cores; for NumPy, which takes but one anyway, no other number than alone."""
    return None if backend.name == "numpy" else max(1, _cores() // workers)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _complaint(blocks: Sequence[Block], failures: dict[int, str], folder: Path | None) -> str:
    kept = "" if folder is None or len(failures) == len(blocks) else f"; what the other runs gave is in {folder}"
    lines = [f"{block.label}: {failures[block.number]}" for block in blocks if block.number in failures]
    return f"{len(lines)} of {len(blocks)} blocks failed{kept}:\n" + "\n".join(lines)
