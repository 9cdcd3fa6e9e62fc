"""Trials of a tuning: which settings are tried, and how a network with them is trained and judged.

Functions here are called in other processes, so they take and give plain values.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpmlp._optional import Library
from xpmlp.backend import blas_threads_at_most
from xpmlp.config import Config
from xpmlp.grid.schedule import stop_requested
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.policy import EarlyStopping
from xpmlp.training.run import Reporter, Status
from xpmlp.training.sizes import sized
from xpmlp.training.trainer import load_data, resolve_configured
from xpmlp.training.vote import VoteTrainable, settings_of

if TYPE_CHECKING:
    import optuna

OPTUNA = Library("optuna", "Optuna", "'xpmlp[tune]'")

FACTOR = 5.0
"""Learning rate and weight decay are tried from a fifth of the config's to five times as much."""

WIDTHS = (64, 128, 256, 512)
DEPTHS = (1, 2, 3, 4)
SMOOTHING = (0.0, 0.05, 0.1, 0.2)
MOST_DROPOUT = 0.5

STARTUP_TRIALS = 8
"""Trials with settings at random, before Optuna draws conclusions."""

VOTE_SHARE = 0.5
"""The part of the time, at most, that is kept for the vote."""


class Blocks:
    """The hidden layers of ``[[model.layers]]``: a block with one dense layer that comes again and again at the end.

    Attributes
    ----------
    before, block : list of dict
    times : int
        0 if the layers do not end with such a block.
    """

    def __init__(self, layers: Sequence[dict[str, Any]]) -> None:
        self.before, self.block, self.times = list(layers), [], 0
        dense = [place for place, layer in enumerate(layers) if layer["kind"] == "dense"]
        if not dense:
            return
        block = list(layers[dense[-1] :])
        while self.before[-len(block) :] == block:
            self.before, self.times = self.before[: -len(block)], self.times + 1
        self.block = block

    def layers(self, width: int, depth: int, dropout: float | None) -> list[dict[str, Any]]:
        """The same layers with blocks of another width, in another number, and with other dropout."""
        block = [
            {**layer, "units": width}
            if layer["kind"] == "dense"
            else {**layer, "rate": dropout}
            if layer["kind"] == "dropout" and dropout is not None
            else layer
            for layer in self.block
        ]
        return [*self.before, *block * depth]


def settings_in(config: Config) -> dict[str, Any]:
    """The settings of a config that are tried, by name; those alone that can be."""
    model, train = config.model, config.train
    found: dict[str, Any] = {"learning_rate": train.learning_rate}
    if train.weight_decay > 0:
        found["weight_decay"] = train.weight_decay
    blocks = Blocks(model.layers)
    if blocks.times:
        widths = [layer["units"] for layer in blocks.block if layer["kind"] == "dense"]
        rates = [layer["rate"] for layer in blocks.block if layer["kind"] == "dropout"]
        found |= {"width": widths[0], "depth": blocks.times} | ({"dropout": rates[0]} if rates else {})
    elif not model.layers and model.hidden_layer_sizes:
        found |= {"width": model.hidden_layer_sizes[0], "depth": len(model.hidden_layer_sizes)}
        found["dropout"] = max(model.dropout_rates, default=0.0)
    if model.label_smoothing > 0:
        found["label_smoothing"] = model.label_smoothing
    return found


def config_with(config: Config, settings: Mapping[str, Any]) -> Config:
    """A config with other settings, by the names of `settings_in`."""
    rates = {name: settings[name] for name in ("learning_rate", "weight_decay") if name in settings}
    model: dict[str, Any] = {name: settings[name] for name in ("label_smoothing",) if name in settings}
    if "width" in settings:
        width, depth, dropout = settings["width"], settings["depth"], settings.get("dropout")
        if config.model.layers:
            model["layers"] = Blocks(config.model.layers).layers(width, depth, dropout)
        else:
            model |= {"hidden_layer_sizes": [width] * depth, "dropout": dropout}
            model |= {"activation": config.model.hidden_activations[0]} if config.model.hidden_activations else {}
    return config.replaced(train=rates, model=model)


def suggested(trial: optuna.Trial, config: Config) -> dict[str, Any]:
    """Have Optuna choose settings around those of a config."""
    base, chosen = settings_in(config), dict[str, Any]()
    for name in ("learning_rate", "weight_decay"):
        if name in base:
            chosen[name] = trial.suggest_float(name, base[name] / FACTOR, base[name] * FACTOR, log=True)
    for name, choices in (("width", WIDTHS), ("depth", DEPTHS), ("label_smoothing", SMOOTHING)):
        if name in base:
            chosen[name] = trial.suggest_categorical(name, sorted({*choices, base[name]}))
    if "dropout" in base:
        chosen["dropout"] = trial.suggest_float("dropout", 0.0, max(MOST_DROPOUT, base["dropout"]))
    return chosen


@dataclass(frozen=True)
class Job:
    """The trials of one process.

    Attributes
    ----------
    config : Config
        Whose settings are changed.
    journal : Path
        What Optuna knows.
    began, ends : float
        In seconds since 1970.
    trials : int or None
        In all, those of earlier calls included.
    worker, threads : int
    """

    config: Config
    journal: Path
    began: float
    ends: float
    trials: int | None
    worker: int = 0
    threads: int = 1

    def work(self, should_stop: Callable[[], bool], heard: Callable[[optuna.Study], None] = lambda study: None) -> None:
        """Try settings until the time or the trials are over; ``heard`` is called after each of them."""
        place = self.config.backend
        if place.threads is None and place.name != "numpy":  # whose threads are held to fewer below
            place = place.model_copy(update={"threads": self.threads})
        choice, dataset = resolve_configured(place), load_data(self.config)
        members = self.config.train.members * (self.config.train.folds or 1)
        with quiet_study(self.journal, self.worker) as study, blas_threads_at_most(self.threads):
            while not should_stop() and time.time() < (ends := self._trials_end(study, members)):
                if self.trials is not None and len(ended(study)) >= self.trials:
                    return
                trial = study.ask()
                config = config_with(self.config, suggested(trial, self.config))
                kind = VoteTrainable if config.train.folds else ConfigTrainable
                _try(study, trial, sized(kind(config, dataset, choice.backend)), _any(should_stop, ends))
                heard(study)

    def _trials_end(self, study: optuna.Study, members: int) -> float:
        """The time after which no trial begins or goes on, so that the vote has as long as it is likely to take."""
        complete = [trial for trial in ended(study) if trial.value is not None]
        at_most = self.began + (1 - VOTE_SHARE) * (self.ends - self.began)
        if not complete:
            return at_most
        best = min(complete, key=lambda trial: trial.value)
        took = 0.0 if best.duration is None else best.duration.total_seconds()
        return max(at_most, self.ends - members * took)


def work(job: Job) -> None:
    """Try settings in a process of its own, until it is asked to stop."""
    job.work(stop_requested)


def ended(study: optuna.Study) -> list[Any]:
    """The trials that have ended with a figure, or were given up for what they had shown."""
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


@contextlib.contextmanager
def quiet_study(journal: Path, worker: int = 0) -> Iterator[optuna.Study]:
    """Open the study in a file, or begin it; within the block Optuna says nothing.

    Raises
    ------
    BackendError
        If Optuna is not installed, or broken.
    """
    with OPTUNA.needed_by("xpmlp tune"):
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        lock = JournalFileOpenLock(str(journal))
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
        yield optuna.create_study(
            storage=storage,
            study_name="xpmlp",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=worker, n_startup_trials=STARTUP_TRIALS),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=8),
        )
    finally:
        optuna.logging.set_verbosity(before)


@dataclass(frozen=True)
class _Pruning(EarlyStopping):
    """Early stopping that tells Optuna the best figure after each epoch, and stops where it gives the trial up."""

    trial: Any = None
    figures: list[float] = field(default_factory=list)

    def improves(self, figure: float, best: float) -> bool:
        """Note it, too."""
        self.figures.append(min(figure, best))
        self.trial.report(self.figures[-1], len(self.figures))
        return super().improves(figure, best)

    def is_exhausted(self, stalled: int) -> bool:
        """Whether patience is, or Optuna's."""
        return super().is_exhausted(stalled) or self.trial.should_prune()


def _try(study: optuna.Study, trial: optuna.Trial, trainable: ConfigTrainable, should_stop: Callable[[], bool]) -> None:
    """Train the first member with the settings of a trainable, and tell how good it is."""
    from optuna.trial import TrialState

    policy = trainable.policy
    rule = policy.stopping or EarlyStopping(math.inf)
    policy.stopping = pruning = _Pruning(rule.patience, rule.least, rule.inclusive, trial)
    with trainable.backend.session(trainable.rows_at_once):
        (run,) = train_block(trainable, settings_of(trainable.config)[:1], Reporter(), should_stop, policy)
    if run.status in (Status.INTERRUPTED, Status.DIVERGED) or not pruning.figures:
        study.tell(trial, state=TrialState.FAIL)
    elif run.status is Status.STOPPED_EARLY and trial.should_prune():
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, min(pruning.figures))


def _any(should_stop: Callable[[], bool], ends: float) -> Callable[[], bool]:
    return lambda: should_stop() or time.time() > ends
