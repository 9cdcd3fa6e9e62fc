"""`train_grid`: training of all networks of a config's grid, and their run folder."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xpmlp._files import move
from xpmlp._paths import given_path
from xpmlp._processes import available_cores, can_start_processes
from xpmlp.backend import Backend
from xpmlp.config import Config, admit_code, refuse_unimportable
from xpmlp.data import Dataset
from xpmlp.data.source import check_source
from xpmlp.errors import GridError, RunFolderError
from xpmlp.grid.plan import Block, Member, blocks_of, members_of
from xpmlp.grid.resuming import GridSetup, ended_runs, read_setup
from xpmlp.grid.schedule import connected, run_here, run_in_processes, run_on_dask
from xpmlp.grid.summary import Summary, summarize, summary_csv
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.storage.provenance import check_config, check_data, differences, provenance_of, resume_point
from xpmlp.training.configured import ConfigTrainable, notes_on_codes, notes_on_targets
from xpmlp.training.memory import footprint
from xpmlp.training.record import History, Outcome, files_of, run_facts
from xpmlp.training.run import Reporter, Run, Status
from xpmlp.training.trainer import load_data, resolve_configured


class GridReporter(Reporter):
    """Listener to the progress of a grid that does nothing; a subclass overrides methods.

    Segments and epochs are reported, too, if the blocks are trained in this process.
    """

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        """Called with the numbers of runs, blocks and processes (``None`` on a cluster), and ``examples`` in all."""

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        """Called when a block is done and written; ``examples`` counts those trained elsewhere, without reports."""


@dataclass(frozen=True)
class GridResult:
    """Result of a grid.

    Attributes
    ----------
    members : list of Member
        The ended runs: their values, and the config of each alone.
    runs : list of Run
        Their records.
    networks : list of SavedNetwork
        Their networks, on the host.
    summaries : list of Summary
        Means and deviations over the seeds.
    history : History
        The figures of every epoch and batch; ``run`` and the columns follow the order of ``members``.
    left : int
        The number of runs that were interrupted or not begun.
    run_dir : Path or None
    """

    members: list[Member]
    runs: list[Run]
    networks: list[SavedNetwork]
    summaries: list[Summary]
    history: History
    left: int
    run_dir: Path | None


def train_grid(
    config: Config,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    force: bool = False,
    allow_code: bool = False,
    reporter: GridReporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> GridResult:
    """Train all runs of a config's grid.

    Runs of equal shapes are stacked in blocks, and blocks are trained in parallel as set in ``[grid]``.  Without
    semaphores, as in containers without /dev/shm, they are trained one after another in this process.

    Parameters
    ----------
    config : Config
        A config without a grid is treated as a grid of one run.
    out : path, optional
        The folder to write.  Each run gets a run folder of its own in ``runs/``, complete, when its block is done.
    overwrite : bool
        Replace the grid in the folder.
    resume : bool
        Resume the grid in the folder: ended runs are kept, and blocks already begun resume from their newest
        checkpoint.
    force : bool
        Resume even if changes to the config or the data make it a different training.
    allow_code : bool
        Import the external records that the config names as ``module:object``, here and in the processes that train
        blocks.
    reporter : GridReporter, optional
    should_stop : () -> bool
        If it returns true, blocks not yet begun are skipped and the others end as interrupted.

    Returns
    -------
    result : GridResult

    Raises
    ------
    BackendError, ConfigError, DataError, RunFolderError
        As `xpmlp.train`.
    GridError
        If a block raised an error; the results of the others are written first.

    Examples
    --------
    >>> from xpmlp import load_config
    >>> settings = {"grid.runs": 2, "grid.workers": 1, "train.epochs": 1, "backend.fused": False}
    >>> result = train_grid(load_config("xpmlp:quickstart.toml", settings))
    >>> len(result.runs)
    2
    """
    admit_code(config, allow_code=allow_code)
    reporter, folder, members = reporter or GridReporter(), None if out is None else given_path(out), members_of(config)
    if folder is None and resume:
        raise RunFolderError("there is nothing to resume without a run folder: give `out`.")
    if config.data.path is not None:
        check_source(config.data.path)  # a pipe cannot be read again for each block
    with contextlib.ExitStack() as held:
        before: GridSetup | None = None
        outcomes: dict[int, Outcome] = {}
        if folder is not None:
            run_folder.prepare(folder, config, overwrite=overwrite, resume=resume)
            if resume:
                held.enter_context(run_folder.locked(folder))
                before, outcomes = _resumed(folder, config, members, reporter, force=force)
        choice = resolve_configured(config.backend)
        dataset = load_data(config, quiet=reporter.quiet)
        if before is not None:
            check_data(before.provenance, dataset, force=force)
            config = config.named(before.provenance["name"])
            members = members_of(config)
        setup = _setup(config, members, dataset, choice.backend, before)
        trainable = ConfigTrainable(config, dataset, choice.backend)
        trainable.check_settings()  # before earlier runs are removed
        if config.grid.scheduler is not None:
            connected(config.grid.scheduler).close()
        if folder is not None:
            if not resume:
                held.enter_context(run_folder.locked(folder))
            run_folder.begin(folder, config, overwrite=overwrite, resume=resume)
            with run_folder.as_run_folder_errors(folder):
                (folder / run_folder.RUNS).mkdir(exist_ok=True)
                setup.write(folder)
        reporter.prepared(choice, dataset, trainable.network)
        for note in (*notes_on_targets(config, dataset), *notes_on_codes(trainable.network)):
            reporter.note(note)
        for note in () if before is None else differences(before.provenance, setup.provenance):
            reporter.note(note)
        failures, blocks = _train(
            config, members, choice.backend, len(dataset.train), setup, folder, outcomes, reporter, should_stop
        )
        reporter.end()
        result = _result(config, members, outcomes, folder)
        if folder is not None and outcomes:
            run_folder.draw(folder, config.output, reporter.note)
    if failures:
        raise GridError(_complaint(blocks, failures, folder))
    return result


def _resumed(
    folder: Path, config: Config, members: list[Member], reporter: GridReporter, *, force: bool
) -> tuple[GridSetup | None, dict[int, Outcome]]:
    """Read the setup of the grid to resume, if it was begun, and the outcomes of its ended runs."""
    before = read_setup(folder)
    if before is None:
        if (folder / "run.json").exists():
            raise RunFolderError(f"{folder} does not hold a grid that was begun: begin anew with --overwrite.")
        reporter.note(f"nothing was begun in {folder} yet: training from the beginning")
        return None, {}
    ended = ended_runs(folder, members, reporter.note)
    epochs = max((len(outcome.run.epochs) for outcome in ended.values()), default=0)
    for block in (folder / run_folder.CHECKPOINTS).glob("[0-9]*"):
        if (under_way := resume_point(block, lambda sentence: None)) is not None:
            epochs = max(epochs, under_way.epochs)
    check_config(before.provenance, config, epochs, force=force)
    reporter.note(f"resuming: {len(ended)} of {len(members)} runs have ended")
    return before, ended


def _setup(
    config: Config, members: list[Member], dataset: Dataset, backend: Backend, before: GridSetup | None
) -> GridSetup:
    """Choose the block width and the threads of a grid: as before, unless the config's block width has changed."""
    if before is not None and before.provenance["config"].get("grid", {}).get("block_width") == config.grid.block_width:
        width, threads = before.width, before.threads
    else:
        width = _width(config, members, dataset, backend)
        threads = _share(min(_workers(config, backend), -(-len(members) // width)))
    with backend.session(ConfigTrainable(config, dataset, backend).rows_at_once):
        return GridSetup(provenance_of(config, dataset, backend, width), width, threads)


def _train(
    config: Config,
    members: list[Member],
    backend: Backend,
    examples: int,
    setup: GridSetup,
    folder: Path | None,
    outcomes: dict[int, Outcome],
    reporter: GridReporter,
    should_stop: Callable[[], bool],
) -> tuple[dict[int, str], list[Block]]:
    """Train the blocks missing from ``outcomes``, and add theirs; return the failures, by block, and these blocks."""
    blocks = [
        block if folder is None else block._replace(checkpoints=_checkpoints(folder, block))
        for block in blocks_of(members, setup.width)
        if any(member.number not in outcomes for member in block.members)
    ]
    workers = min(_workers(config, backend), max(len(blocks), 1))
    scheduler, per_run = config.grid.scheduler, examples * config.train.length.epochs
    if workers > 1 and scheduler is None and not can_start_processes("one block after another", semaphores=True):
        workers = 1
    runs = sum(len(block.members) for block in blocks)
    reporter.planned(runs, len(blocks), workers if scheduler is None else None, per_run * runs)
    remote = workers > 1 or scheduler is not None
    if remote:
        refuse_unimportable(config)
        blocks = [block._replace(allow_code=True) for block in blocks]  # as admitted here

    def done(block: Block, ended: list[Outcome]) -> None:
        for member, outcome in zip(block.members, ended, strict=True):
            outcomes[member.number] = outcome
            if folder is not None:
                _write_run(folder, member, len(members), outcome)
        reporter.block(block, ended, per_run * len(ended) if remote else 0)

    if scheduler is not None:  # its workers may lack access to this folder: no checkpoints
        return run_on_dask([block._replace(checkpoints=None) for block in blocks], scheduler, should_stop, done), blocks
    if workers > 1:
        return run_in_processes(blocks, workers, setup.threads, should_stop, done), blocks
    return run_here(blocks, reporter, should_stop, done), blocks


def _checkpoints(folder: Path, block: Block) -> Path:
    return (folder / run_folder.CHECKPOINTS / str(block.number)).absolute()


def _result(config: Config, members: list[Member], outcomes: dict[int, Outcome], folder: Path | None) -> GridResult:
    ended = [member for member in members if member.number in outcomes]
    runs = [outcomes[member.number].run for member in ended]
    networks = [outcomes[member.number].network for member in ended]
    left = len(members) - sum(run.status is not Status.INTERRUPTED for run in runs)
    result = GridResult(ended, runs, networks, summarize(ended, runs), History.of(runs), left, folder)
    if folder is not None and ended:
        _write(folder, config, result, outcomes)
    return result


def _write(folder: Path, config: Config, result: GridResult, outcomes: dict[int, Outcome]) -> None:
    """Write the files about all runs; ``run.json``, last, marks them as complete."""
    numbers = [member.number for member in result.members]
    facts = dict(outcomes[numbers[0]].facts)
    for name in ("seconds", "layer_sizes", "batch_size", "steps_per_epoch"):
        if any(outcomes[number].facts[name] != facts[name] for number in numbers):
            del facts[name]  # differs between the runs: see their folders
    described = [
        {"run": member.number, **member.point, **run_facts(run)}
        for member, run in zip(result.members, result.runs, strict=True)
    ]
    text = json.dumps({"name": config.name, **facts, "runs": described}, indent=2) + "\n"
    summary = {run_folder.SUMMARY: summary_csv(result.summaries)}
    run_folder.write(folder, config, {**files_of(result.runs, numbers), **summary, "run.json": text})


def _write_run(folder: Path, member: Member, count: int, outcome: Outcome) -> None:
    """Write a run's own folder under a temporary name, and move it into place when it is complete.

    Results of the run from an interrupted training are removed first; its checkpoint stays.
    """
    name = f"{member.number:0{len(str(count - 1))}d}"
    final = folder / run_folder.RUNS / name
    with run_folder.as_run_folder_errors(final):
        partial = final.with_name(f".{name}")
        for old in (partial, final):
            if old.exists():
                shutil.rmtree(old)
        partial.mkdir()
        outcome.write(partial)
        move(partial, final)


def _width(config: Config, members: list[Member], dataset: Dataset, backend: Backend) -> int:
    """Return the number of runs to stack: the config's, or all on a GPU and one on a CPU; limited by the memory."""
    free, wanted = backend.memory.free(), config.grid.block_width
    if wanted == "auto":
        wanted = len(members) if backend.is_accelerator else 1
    if free is None:
        return wanted
    share = free // min(_workers(config, backend), len(members))
    return min(
        wanted, *(footprint(ConfigTrainable(member.config, dataset, backend)).widest(share) for member in members)
    )


def _workers(config: Config, backend: Backend) -> int:
    """Return the number of processes: the config's, or one per core if a process can be limited to one thread."""
    if config.grid.workers != "auto":
        return config.grid.workers
    return 1 if backend.is_accelerator or backend.name == "jax" else available_cores()


def _share(workers: int) -> int:
    """Return the number of cores for each process."""
    return max(1, available_cores() // workers)


def _complaint(blocks: Sequence[Block], failures: dict[int, str], folder: Path | None) -> str:
    kept = "" if folder is None or len(failures) == len(blocks) else f"; what the other runs gave is in {folder}"
    lines = [f"{block.label}: {failures[block.number]}" for block in blocks if block.number in failures]
    return f"{len(lines)} of {len(blocks)} blocks failed{kept}:\n" + "\n".join(lines)
