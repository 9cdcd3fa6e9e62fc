"""`tune`: trials of a config's settings for some minutes, and a vote with the best of them.

A trial is the first member of the vote for its settings: it leaves out the first fold and is judged by it, or without
folds by the validation part.  Optuna chooses the settings from the results of earlier trials, and prunes unpromising
trials.  Its state is in the run folder, so that a tuning can be resumed.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, wait
from concurrent.futures.process import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._files import write_text
from xpmlp._paths import given_path
from xpmlp._processes import available_cores, can_start_processes, starting_processes
from xpmlp.config import Config, outside_names, refuse_unimportable
from xpmlp.errors import ConfigError, RunFolderError
from xpmlp.grid.schedule import POLL, start_worker, stop_requested
from xpmlp.grid.trials import OPTUNA, Job, config_with, ended, quiet_study, settings_in
from xpmlp.storage import run_folder
from xpmlp.training.run import Reporter
from xpmlp.training.trainer import Result, train

if TYPE_CHECKING:
    import optuna

FOLDER = "tuning"
"""Subfolder of a run folder with the trials."""

JOURNAL, BASE, BEST = "trials.log", "config.toml", "best.toml"
"""Its files: Optuna's journal, the config to tune, and the config with the best settings."""


class Trial(NamedTuple):
    """Ended trial.

    Attributes
    ----------
    number : int
        From 0.
    figure : float or None
        Figure for judging it, lower is better; ``None`` if it was pruned.
    settings : dict
        Tried settings, by name.
    seconds : float
    """

    number: int
    figure: float | None
    settings: dict[str, Any]
    seconds: float


class TuningReporter(Reporter):
    """Listener to the progress of a tuning that does nothing; a subclass overrides methods."""

    def trial(self, trial: Trial, best: Trial | None) -> None:
        """Called when a trial has ended; ``best`` is the best one so far."""

    def chosen(self, best: Trial | None, trials: int) -> None:
        """Called when the trials are over, before the vote is trained."""


def tune(
    config: Config,
    out: str | Path,
    *,
    minutes: float,
    trials: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    reporter: TuningReporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Result | None:
    """Try settings for some minutes, then train with the best of them.

    Parameters
    ----------
    config : Config
        With folds, or a validation part, for judging trials.
    out : path
        The run folder; the trials are in its subfolder ``tuning``.
    minutes : float
        Total time.  The time that the vote is likely to take, at most half, is reserved for it; if it does not fit
        into what is left, it has fewer epochs, as by ``train.max_seconds``.
    trials : int, optional
        Number of trials after which to end before the time is over.
    workers : int, optional
        Number of processes; by default one for every two cores.
    overwrite : bool
        Replace the contents of the folder.
    resume : bool
        Continue the trials in the folder.
    reporter : TuningReporter, optional
    should_stop : () -> bool
        If it returns true, ended trials are kept, and nothing else is trained.

    Returns
    -------
    result : Result or None
        Result of the vote; ``None`` if stopped before.

    Raises
    ------
    BackendError
        If Optuna is not installed, or the config's backend is not available.
    ConfigError, DataError, RunFolderError
        As `xpmlp.train`, or if there are no rows for judging trials.
    """
    with OPTUNA.needed_by("xpmlp tune"):
        pass
    if config.grid.is_grid:
        raise ConfigError("the config has a [grid] of several runs, and tuning chooses settings itself: leave it out.")
    if config.train.folds is None and config.data.split == "test":
        raise ConfigError("trials need rows to be judged by: give train.folds, or a validation part.")
    for key, table, name in outside_names(config):
        if name not in table:
            raise ConfigError(
                f'{key} = "{name}" is code from outside of xpmlp, and tuning imports none: choose another.'
            )
    refuse_unimportable(config)
    reporter, folder, ends = reporter or TuningReporter(), given_path(out), time.monotonic() + 60 * minutes
    own = folder / FOLDER
    if resume and not (own / JOURNAL).is_file():
        raise RunFolderError(f"{folder} holds no tuning to continue: begin one without --resume.")
    if not resume:
        run_folder.prepare(folder, config, overwrite=overwrite)
    with run_folder.locked(own):
        _begin(own, config, resume=resume)
        best, count = _search(config, own / JOURNAL, 60 * minutes, trials, workers, reporter, should_stop)
        chosen = config if best is None else config_with(config, best.settings)
        with run_folder.as_run_folder_errors(folder):
            write_text(own / BEST, chosen.to_toml())
    if should_stop():
        return None
    reporter.chosen(best, count)
    left = max(ends - time.monotonic(), 1e-3)
    chosen = chosen.replaced(train={"max_seconds": min(left, chosen.train.max_seconds or left)})
    return train(chosen, folder, overwrite=True, reporter=reporter, should_stop=should_stop)


def _begin(own: Path, config: Config, *, resume: bool) -> None:
    """Write the config to tune, or compare it with the config of the trials to resume."""
    with run_folder.as_run_folder_errors(own):
        if not resume:
            for name in (JOURNAL, BEST):
                (own / name).unlink(missing_ok=True)
            write_text(own / BASE, config.to_toml())
        elif (own / BASE).read_text(encoding="utf-8") != config.to_toml():
            raise RunFolderError(
                f"the trials in {own} are of another config or other options: give the same ones, or begin anew with "
                "--overwrite."
            )


def _search(
    config: Config,
    journal: Path,
    seconds: float,
    trials: int | None,
    workers: int | None,
    reporter: TuningReporter,
    should_stop: Callable[[], bool],
) -> tuple[Trial | None, int]:
    """Run trials until the time or their number is used up; return the best trial and the number of ended ones."""
    from optuna.trial import TrialState

    workers = workers or max(1, available_cores() // 2)
    if workers > 1 and not can_start_processes("one trial after another", semaphores=True):
        workers = 1
    with quiet_study(journal) as study:
        for lost in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(lost.number, state=TrialState.FAIL)  # from a process that is gone
        before = ended(study)
        heard = _Heard(reporter, {trial.number for trial in before})
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(settings_in(config))
        began, count = time.time(), None if trials is None else trials + len(before)
        job = Job(config, journal, began, began + seconds, count, threads=max(1, available_cores() // workers))
        if workers == 1:
            job.work(should_stop, heard)
        else:
            _over_processes(job, workers, reporter, should_stop, lambda: heard(study))
        heard(study)
        return heard.best(study), len(ended(study))


def _over_processes(
    job: Job, workers: int, reporter: Reporter, should_stop: Callable[[], bool], look: Callable[[], None]
) -> None:
    """Run trials in several processes in parallel."""
    context = multiprocessing.get_context("spawn")  # a fork would share the parent's thread pools and GPU state
    stop = context.Event()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=(stop,)) as pool:
        with starting_processes():
            working = {pool.submit(replace(job, worker=number).work, stop_requested) for number in range(workers)}
        while working:
            done, working = wait(working, timeout=POLL)
            if should_stop():
                stop.set()
            look()
            for one in done:
                try:
                    one.result()
                except BrokenExecutor:
                    reporter.note("a process that tried settings has died (out of memory?)")
                except BaseException:
                    stop.set()  # or the others would try settings until their time is over
                    raise


class _Heard:
    """Trials already reported."""

    def __init__(self, reporter: TuningReporter, known: set[int]) -> None:
        self.reporter, self.known = reporter, known

    def __call__(self, study: optuna.Study) -> None:
        """Report the trials that have ended since the last call."""
        for trial in ended(study):
            if trial.number not in self.known:
                self.known.add(trial.number)
                self.reporter.trial(_trial(trial), self.best(study))

    def best(self, study: optuna.Study) -> Trial | None:
        """Return the trial with the lowest figure."""
        complete = [trial for trial in map(_trial, ended(study)) if trial.figure is not None]
        return min(complete, key=lambda trial: trial.figure, default=None)  # type: ignore[arg-type,return-value]


def _trial(trial: Any) -> Trial:
    from optuna.trial import TrialState

    seconds = 0.0 if trial.duration is None else trial.duration.total_seconds()
    figure = trial.value if trial.state is TrialState.COMPLETE else None
    return Trial(trial.number, figure, dict(trial.params), seconds)
