"""`train`: training of the network of a config."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._paths import given_path
from xpmlp._tree import map_leaves
from xpmlp.backend import Backend, Choice, resolve
from xpmlp.config import BackendConfig, Config, admit_code
from xpmlp.data import Dataset, load
from xpmlp.data.table_options import Given, TableOptions, Task
from xpmlp.errors import DivergenceError, RunFolderError
from xpmlp.nn import Network, losses
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.storage.provenance import (
    ResumePoint,
    as_before,
    check_data,
    provenance_of,
)
from xpmlp.training.checkpointing import Checkpoints, decode, notes_on_resuming, point_to_resume
from xpmlp.training.configured import ConfigTrainable, check_given, large_targets, notes_on_codes, notes_on_targets
from xpmlp.training.intervals import Intervals, fit_intervals
from xpmlp.training.loop import train_block
from xpmlp.training.memory import footprint, memory_explained
from xpmlp.training.record import History, outcome_of, sections_of
from xpmlp.training.run import Reporter, Run, RunSettings, Status
from xpmlp.training.sizes import in_time, sized
from xpmlp.training.stack import as_stack
from xpmlp.training.table_prediction import going_on, table_model
from xpmlp.training.vote import (
    VoteTrainable,
    as_started,
    joined,
    notes_on_groups,
    parameters_to_start,
    settings_of,
    voters_note,
    with_folds_for,
)


@dataclass(frozen=True)
class Result:
    """Result of a training.

    Attributes
    ----------
    parameters : list of (weights (n_in, n_out), biases (1, n_out))
        The parameters of the trained network, arrays of the config's backend on its device; other layers have other
        trees.
    history : History
        The figures of every epoch and batch, as NumPy arrays.
    run_dir : Path or None
        The run folder, if one was written.
    run : Run
        The record: final status, early stopping, the score on the test set.
    backend : Backend
    network : Network
        The function of the parameters.
    out_of_fold : (n, n_out), optional
        With folds: the members' predictions for the training examples that they have left out.
    sections : dict
        Sections saved beside the network, of JSON's types: a table's encoding, a decision rule, intervals.
    """

    parameters: Any
    history: History
    run_dir: Path | None
    run: Run
    backend: Backend
    network: Network
    out_of_fold: npt.NDArray[np.float64] | None = None
    sections: dict[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle and copies, with the trained network on the host."""
        run = replace(self.run, parameters=map_leaves(self.backend.to_numpy, self.run.parameters))
        return {**self.__dict__, "run": run, "parameters": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, with the network on its backend; see `xpmlp.backend.Backend` for a machine without it."""
        run: Run = replace(state["run"], parameters=state["backend"].parameters(state["run"].parameters))
        self.__dict__.update(state, run=run, parameters=run.parameters)


def train(
    config: Config,
    out: str | Path | None = None,
    *,
    data: Dataset | None = None,
    overwrite: bool = False,
    resume: bool = False,
    force: bool = False,
    allow_code: bool = False,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    start: SavedNetwork | None = None,
) -> Result:
    """Train the network of a config.

    Prints nothing, and writes nothing unless ``out`` is given.

    Parameters
    ----------
    config : Config
        From `xpmlp.load_config`, or built from its sections.
    out : path, optional
        The run folder to write; ``output.folder`` and ``output.page`` are for the command line only.
    data : Dataset, optional
        From `xpmlp.from_arrays`; the config then has ``data.name = "arrays"``.
    overwrite : bool
        Replace the results of an earlier training in that folder; not together with ``resume``.
    resume : bool
        Resume the training in that folder from its newest intact checkpoint, or begin if it has none.
    force : bool
        Resume even if changes to the config or the data make it a different training.
    allow_code : bool
        Import the external records that the config names as ``module:object``.
    reporter : Reporter, optional
        Notified of the chosen backend, of every segment and of every epoch.
    should_stop : () -> bool
        Called before each segment of steps; if it returns true, the training ends, interrupted, as it is.
    start : SavedNetwork, optional
        A network trained on a table, for further training on the rows of another table with the same encoding.

    Returns
    -------
    result : Result

    Raises
    ------
    ConfigError
        If the config has a grid of runs (see `xpmlp.train_grid`), or names other data than were given, or code that is
        not allowed, cannot be imported, or cannot be named in the run folder.
    BackendError
        If the config's backend, device or dtype is not available, or memory runs out.
    DataError
        If the data set cannot be read.
    RunFolderError
        If the folder is a file, not empty (unless ``overwrite`` or ``resume``), in use, read-only or has no training.
    DivergenceError
        If the loss or a weight is no longer finite.  With ``out``, the last finite weights are in the folder.

    Examples
    --------
    >>> from xpmlp import Config, from_arrays
    >>> config = Config.model_validate(
    ...     {
    ...         "data": {"name": "arrays"},
    ...         "model": {"hidden_layer_sizes": [8]},
    ...         "train": {"epochs": 3, "batch_size": 4},
    ...         "backend": {"name": "numpy", "fused": False},
    ...     }
    ... )
    >>> result = train(config, data=from_arrays([[0.0], [1.0]] * 8, ["no", "yes"] * 8))
    >>> len(result.history.train_loss), str(result.run.status)
    (3, 'finished')
    """
    check_given(config, data)
    admit_code(config, allow_code=allow_code)
    reporter, folder, resumed = reporter or Reporter(), None if out is None else given_path(out), None
    config = config if start is None else as_started(config, start)
    if folder is None and (resume or overwrite):
        raise RunFolderError("there is nothing to resume or overwrite without a run folder: give `out`.")
    with contextlib.ExitStack() as held:
        if folder is not None:
            run_folder.prepare(folder, config, overwrite=overwrite, resume=resume)
            if resume:
                held.enter_context(run_folder.locked(folder))
                resumed, config = point_to_resume(folder, config, reporter, force=force)
                start = run_folder.start_of(folder, start)
        choice = resolve_configured(
            config.backend if resumed is None else as_before(config.backend, resumed.provenance)
        )
        started = time.perf_counter()
        known: dict[str, Any] = {}
        if start is not None:
            known = {"table_model": table_model(start), "known_labels": [str(one) for one in start.classes.tolist()]}
        dataset = load_data(config, quiet=reporter.quiet, **known) if data is None else data
        if start is not None:
            dataset = going_on(dataset, start)
        loading = time.perf_counter() - started
        if resumed is not None:
            check_data(resumed.provenance, dataset, force=force)
            config = config.named(resumed.provenance["name"])
        if folder is not None and not resume:
            held.enter_context(run_folder.locked(folder))
        wanted = config.train.folds
        if dataset.folds is None:
            config = with_folds_for(config, len(dataset.train))
        settings = settings_of(config)
        kind = ConfigTrainable if len(settings) == 1 else VoteTrainable
        trainable: ConfigTrainable = kind(config, dataset, choice.backend)
        if start is not None:
            parameters = parameters_to_start(start, trainable.network, len(settings))
            trainable = replace(trainable, start=parameters)
        trainable = sized(trainable)
        reporter.prepared(choice, dataset, trainable.network)
        for note in (*dataset.notes, *notes_on_targets(config, dataset), *notes_on_codes(trainable.network)):
            reporter.note(note)
        if wanted != config.train.folds:
            reporter.warning(f"train.folds = {config.train.folds}, for {len(dataset.train)} examples, and not {wanted}")
        for note in notes_on_groups(trainable):
            reporter.note(note)
        with choice.backend.session(trainable.rows_at_once):
            trainable = in_time(trainable, settings)
            if trainable.length != (config.train.epochs, config.train.batch_size):
                epochs, batch_size = trainable.length
                reporter.note(f"{epochs} epochs of batches of {batch_size}, by the size of the data or the time")
            trainable.check_settings()  # before an earlier run is removed
            if folder is not None:
                run_folder.begin(folder, trainable.config, overwrite=overwrite, resume=resume, start=start)
            checkpoints = None if folder is None else folder / run_folder.CHECKPOINTS
            runs, training = train_to_the_end(trainable, settings, reporter, should_stop, checkpoints, resumed)
            run, out_of_fold = runs[0], None
            if isinstance(trainable, VoteTrainable):
                run, out_of_fold = joined(runs, RunSettings.of(config.train)), trainable.out_of_fold(runs)
                trainable = trainable.voting(runs)
                evaluate_test(trainable, run)
                if (warning := voters_note(runs)) is not None:
                    reporter.warning(warning)
            sections = sections_of(trainable, intervals_of(trainable, run, out_of_fold))
            if folder is not None:
                outcome_of(trainable, run, loading, training, sections).write(folder)
            network = trainable.network
            del trainable  # with its data on the device, so that the end of the session can give the memory back
        reporter.end()
        if folder is not None:
            run_folder.draw(folder, config.output, reporter.note)
    if run.status is Status.DIVERGED:
        raise DivergenceError(_divergence(run, folder, dataset))
    return Result(run.parameters, History.of(runs), folder, run, choice.backend, network, out_of_fold, sections)


def train_to_the_end(
    trainable: ConfigTrainable,
    settings: Sequence[RunSettings],
    reporter: Reporter,
    should_stop: Callable[[], bool],
    checkpoints: Path | None = None,
    resumed: ResumePoint | None = None,
) -> tuple[list[Run], float]:
    """Train a block, and evaluate the test set if the config says so.

    Parameters
    ----------
    trainable, settings, reporter, should_stop
        See `xpmlp.training.loop.train_block`; the backend's session is the caller's.
    checkpoints : Path, optional
        Folder for checkpoints, if the config asks for any.
    resumed : ResumePoint, optional
        The checkpoint in that folder to resume from.

    Returns
    -------
    runs : list of Run
    seconds : float
        Duration of the training, including the part before it was resumed, without the test.

    Raises
    ------
    BackendError
        If memory runs out.
    RunFolderError
        If a checkpoint cannot be written, or the one to resume from does not fit.
    """
    start, saver = None, None
    trainable.check_settings()
    if checkpoints is not None:
        now = provenance_of(trainable.config, trainable.dataset, trainable.backend, len(settings))
        if resumed is not None:
            start = decode(resumed.checkpoint, trainable)
            for note in notes_on_resuming(resumed.provenance, start, now, trainable.steps_per_epoch):
                reporter.note(note)
        if trainable.config.output.checkpoint_every is not None:
            checkpoint = None if resumed is None else resumed.checkpoint
            saver = Checkpoints(checkpoints, trainable.config.output, len(settings), now, checkpoint)
    with memory_explained(trainable.backend, footprint(trainable).of(len(settings)), _thrift(trainable, len(settings))):
        started = time.perf_counter()
        runs = train_block(trainable, settings, reporter, should_stop, start=start, saver=saver)
        trainable.calibrate(runs)
        trainable.backend.synchronize()
        seconds = time.perf_counter() - started + (0.0 if start is None else start.seconds)
        if not isinstance(trainable, VoteTrainable):
            for run in runs:
                evaluate_test(trainable, run)
    return runs, seconds


def resolve_configured(settings: BackendConfig) -> Choice:
    """Resolve the backend named by a config's ``[backend]``."""
    return resolve(**dict(settings))


def load_data(config: Config, *, quiet: bool = True, **instead: Any) -> Dataset:
    """Load the data set named by a config, with the kind of targets for its loss.

    Parameters
    ----------
    config : Config
    quiet : bool
        Draw no progress bar for downloads.
    instead
        Arguments of `xpmlp.data.load` that replace the config's.
    """
    names = ("split", "root", "path", "target", "features", "validation_size", "test_fraction", "seed", "standardize")
    arguments: dict[str, Any] = {
        **{name: getattr(config.data, name) for name in (*names, "missing")},
        "targets": losses[config.model.loss].targets if config.model.loss in losses else "auto",
        "quiet": quiet,
        "table": table_options(config),
    }
    return load(config.data.name, **(arguments | instead))


def table_options(config: Config) -> TableOptions:
    """Return the options for the columns of a table from a config."""
    data = config.data
    return TableOptions(
        drop=tuple(data.drop),
        weights=data.weights,
        group=data.group,
        time=data.time,
        types=data.types,
        task=data.task if config.model.loss not in losses else _task_of(config),
        test=data.test,
        validation=data.validation,
        log_target=data.log_target,
        scale_target=config.model.loss != "poisson",
        given=Given(data.separator, data.quote, data.decimal, data.encoding, data.header, data.comment),
    )


def _task_of(config: Config) -> Task:
    """Return the task that the config's loss requires, or ``data.task`` where it allows several."""
    wanted = losses[config.model.loss].targets
    return "values" if wanted == "values" else config.data.task if wanted == "flags" else "classes"


def _thrift(trainable: ConfigTrainable, runs: int) -> str:
    """Return advice on reducing memory use."""
    batch = f"lower train.batch_size (it is {trainable.settings.batch_size})"
    return batch if runs == 1 else f"{batch} or grid.block_width ({runs} runs are stacked)"


def evaluate_test(trainable: ConfigTrainable, run: Run) -> None:
    """Evaluate a run on the test set, if the config says so and the training was completed or stopped early."""
    wanted = trainable.config.data.split != "validation" and run.status in (Status.FINISHED, Status.STOPPED_EARLY)
    if wanted and trainable.dataset.test is not None and run.parameters is not None:
        examples = trainable.inference.to_device(trainable.dataset.test)
        (run.test,) = trainable.inference.evaluate(as_stack(run.parameters), examples)


def intervals_of(trainable: ConfigTrainable, run: Run, out_of_fold: npt.NDArray[np.float64] | None) -> Intervals | None:
    """Fit intervals around a run's predicted values, from residuals out of fold or on a table's validation part.

    Returns ``None`` unless the outputs are one value for each target.
    """
    loss, names = trainable.network.loss, trainable.dataset.target_names
    if loss.targets != "values" or list(loss.output_names(names)) != list(names) or run.parameters is None:
        return None
    part = trainable.train_part if out_of_fold is not None else trainable.validation_part
    if part is None or (out_of_fold is None and trainable.dataset.table is None):
        return None
    if out_of_fold is None:
        outputs = trainable.inference.predict(run.parameters, part.features, part.codes)
        out_of_fold = outputs.astype(np.float64)
    return fit_intervals(out_of_fold, part.targets.reshape(len(part), -1), part.weights)


def _divergence(run: Run, folder: Path | None, dataset: Dataset) -> str:
    assert run.ended_at is not None
    epoch, step = run.ended_at
    kept = "" if folder is None else f" The last finite weights are in {folder / 'weights.safetensors'}."
    large = large_targets(dataset)
    standardized = dataset.preprocessing.mean is not None
    advice = "" if large or standardized else ", or scale the features (data.standardize)"
    return (
        f"the loss or a weight stopped being finite in epoch {epoch}, at step {step}: "
        f"{f'{large}; or ' if large else ''}try a lower train.learning_rate "
        f"(it was {run.settings.learning_rate:g}){advice}.{kept}"
    )
