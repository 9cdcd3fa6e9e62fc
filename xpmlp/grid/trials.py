"""Trials of a tuning: the choice of settings, and the training and judgement of a network with them.

Functions here are called in other processes, so their arguments and results are plain values.
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
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.policy import EarlyStopping
from xpmlp.training.run import Reporter, Status
from xpmlp.training.sizes import sized
from xpmlp.training.trainer import load_data, resolve_configured
from xpmlp.training.vote import VoteTrainable, settings_of, with_folds_for

if TYPE_CHECKING:
    import optuna

OPTUNA = Library("optuna", "Optuna", "'xpmlp[tune]'")

FACTOR = 5.0
"""Range of learning rate and weight decay: from a fifth of the config's value to five times as much."""

WIDTHS = (64, 128, 256, 512)
DEPTHS = (1, 2, 3, 4)
SMOOTHING = (0.0, 0.05, 0.1, 0.2)
MOST_DROPOUT = 0.5

STARTUP_TRIALS = 8
"""Number of trials with random settings, before Optuna uses the results."""

VOTE_SHARE = 0.5
"""Maximum share of the time reserved for the vote."""


class Blocks:
    """Hidden layers of ``[[model.layers]]`` that end with repetitions of a block with one dense layer.

    Attributes
    ----------
    before, block : list of dict
    times : int
        Number of repetitions; 0 if the layers do not end with such a block.
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
        """Return the layers with another width, number and dropout of the blocks."""
        changed = {"dense": {"units": width}} | ({} if dropout is None else {"dropout": {"rate": dropout}})
        block = [{**layer, **changed.get(layer["kind"], {})} for layer in self.block]
        return [*self.before, *block * depth]


def settings_in(config: Config) -> dict[str, Any]:
    """Return the settings of a config that can be tuned, by name; a rate of 0 stays 0."""
    model, train = config.model, config.train
    given: dict[str, Any] = {"learning_rate": train.learning_rate, "weight_decay": train.weight_decay}
    found = {name: rate for name, rate in given.items() if rate > 0}
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
    """Return the config with other settings, by the names of `settings_in`."""
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
    """Let Optuna choose settings around those of a config."""
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
    """Trials of one process.

    Attributes
    ----------
    config : Config
        Config with the settings to change.
    journal : Path
        Optuna's journal of the study.
    began, ends : float
        In seconds since 1970.
    trials : int or None
        Maximum number in total, including those of earlier calls.
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
        """Run trials until the time or the number of trials is used up; ``heard`` is called after each trial."""
        place = self.config.backend
        if place.threads is None and place.name != "numpy":  # NumPy's threads are limited below
            place = place.model_copy(update={"threads": self.threads})
        choice, dataset = resolve_configured(place), load_data(self.config)
        members = self.config.train.networks
        with quiet_study(self.journal, self.worker) as study, blas_threads_at_most(self.threads):
            while not should_stop() and time.time() < (ends := self._trials_end(study, members)):
                if self.trials is not None and len(ended(study)) >= self.trials:
                    return
                trial = study.ask()
                config = config_with(self.config, suggested(trial, self.config))
                config = with_folds_for(config, len(dataset.train)) if dataset.folds is None else config
                kind = VoteTrainable if config.train.folds else ConfigTrainable
                _try(study, trial, sized(kind(config, dataset, choice.backend)), _any(should_stop, ends))
                heard(study)

    def _trials_end(self, study: optuna.Study, members: int) -> float:
        """Return the time after which no trial begins or continues, leaving the likely duration of the vote."""
        complete = [trial for trial in ended(study) if trial.value is not None]
        at_most = self.began + (1 - VOTE_SHARE) * (self.ends - self.began)
        if not complete:
            return at_most
        best = min(complete, key=lambda trial: trial.value)
        took = 0.0 if best.duration is None else best.duration.total_seconds()
        return max(at_most, self.ends - members * took)


def ended(study: optuna.Study) -> list[Any]:
    """Return the trials that have ended with a figure or were pruned."""
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


@contextlib.contextmanager
def quiet_study(journal: Path, worker: int = 0) -> Iterator[optuna.Study]:
    """Open the study in a file, or create it; within the block Optuna prints only errors.

    Raises
    ------
    BackendError
        If Optuna is not installed or is broken.
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
    """Early stopping that reports the best figure to Optuna after each epoch, and stops if Optuna prunes the trial."""

    trial: Any = None
    figures: list[float] = field(default_factory=list)

    def improves(self, figure: float, best: float) -> bool:
        """Return whether a figure is an improvement, and report the best one to Optuna."""
        self.figures.append(min(figure, best))
        self.trial.report(self.figures[-1], len(self.figures))
        return super().improves(figure, best)

    def is_exhausted(self, stalled: int) -> bool:
        """Return whether the patience is exhausted or Optuna prunes the trial."""
        return super().is_exhausted(stalled) or self.trial.should_prune()


def _try(study: optuna.Study, trial: optuna.Trial, trainable: ConfigTrainable, should_stop: Callable[[], bool]) -> None:
    """Train the first member with the settings of a trainable, and report its figure to Optuna."""
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
