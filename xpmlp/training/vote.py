"""Votes: networks trained side by side, as runs of one stack, whose predictions are averaged.

Each member minimises its own loss exactly as it would alone.  The members differ by their seeds, and with folds by the
left-out examples by which each is judged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp._typing import Parameters
from xpmlp.config import Config
from xpmlp.data import Part
from xpmlp.data.folds import fold_numbers
from xpmlp.errors import ConfigError, DataError
from xpmlp.nn import LayerSpec, Network, criteria
from xpmlp.storage import SavedNetwork
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import Score, sharpened
from xpmlp.training.policy import ConfigPolicy, RunPolicy
from xpmlp.training.run import EpochRow, Run, RunSettings, Status
from xpmlp.training.sizes import FEW
from xpmlp.training.stack import as_stack, one_of
from xpmlp.training.step import Examples, TrainingState

OF_A_VOTE = {"classes": "log_loss", "flags": "rmse", "values": "rmse"}
"""Default criterion for judging a vote, by the kind of targets."""


def settings_of(config: Config) -> list[RunSettings]:
    """Return the runs of a config without a grid: one, or the members of a vote, with seeds from the config's on."""
    one = RunSettings.of(config.train)
    return [one._replace(seed=one.seed + member) for member in range(config.train.networks)]


def voting(network: Network, members: int) -> Network:
    """Return the network that averages the predictions of several such networks, each with weights of its own."""
    return network._replace(layers=LayerSpec("vote", (), (network.layers,) * members)) if members > 1 else network


def member_of(network: Network) -> Network:
    """Return one of the networks of a vote, or any other network unchanged."""
    return network._replace(layers=network.layers.members[0]) if network.layers.kind == "vote" else network


def as_started(config: Config, saved: SavedNetwork) -> Config:
    """Return the config with the linear skip of a network to continue from, where it leaves it open."""
    if config.model.linear_skip != "auto":
        return config
    ends = member_of(saved.network).layers.members
    return config.replaced(model={"linear_skip": [layer.kind for layer in ends] == ["add"]})


def parameters_to_start(saved: SavedNetwork, network: Network, members: int) -> Parameters:
    """Return the parameters of a saved network, or of each member of a vote, as the start of a training.

    Raises
    ------
    ConfigError
        If it has another number of members, or other layers than the network to train.
    """
    layers = saved.network.layers
    before = len(layers.members) if layers.kind == "vote" else 1
    if before != members:
        raise ConfigError(
            f"the network to continue from has {before} members, and train.members and train.folds ask for {members}: "
            "make them as many."
        )
    if member_of(saved.network).root.slots != network.root.slots:
        raise ConfigError(
            "the network to continue from has other layers than the config describes: leave [model] and train.shared "
            "as its run has them."
        )
    return saved.parameters


@dataclass(frozen=True)
class VoteTrainable(ConfigTrainable):
    """Trainable for the members of a vote, with the folds that they leave out."""

    @property
    def policy(self) -> ConfigPolicy:
        """The policy of the config for members of a vote."""
        kind = FoldPolicy if self.config.train.folds else VotePolicy
        policy = kind(self, self.config.train, self.config.model.dropout_schedule)
        policy.criterion = policy.criterion or criteria[OF_A_VOTE[self.network.loss.targets]]
        return policy

    @cached_property
    def folds(self) -> npt.NDArray[np.int64] | None:
        """The fold of each training example, (n,), or ``None`` without folds."""
        count, part = self.config.train.folds, self.dataset.train
        if count is None:
            return None
        given = self.dataset.folds
        drawn = fold_numbers(part.targets, count, self.config.data.seed, self.dataset.groups)
        folds = drawn if given is None else given
        if len(folds) != len(part) or set(np.unique(folds).tolist()) != set(range(count)):
            there = f"there {'is 1 sample' if len(part) == 1 else f'are {len(part):,} samples'}"
            raise DataError(f"train.folds = {count} needs examples in each of {count} folds, and {there}: lower it.")
        return folds

    @property
    def n_examples(self) -> int:
        """The number of examples in an epoch of any member: with folds, all but those of the largest fold."""
        n = len(self.dataset.train)
        return n if self.folds is None else n - int(np.bincount(self.folds).max())

    def initial_parameters(self, seed: int) -> Parameters:
        """Return the initial parameters of the member with this seed."""
        if self.start is None:
            return super().initial_parameters(seed)
        return map_leaves(np.array, self.start[seed - self.config.train.seed])

    def fold_of(self, seed: int) -> int:
        """Return the fold left out by the member with this seed."""
        return (seed - self.config.train.seed) % (self.config.train.folds or 1)

    def rows_of(self, seed: int) -> npt.NDArray[np.int64]:
        """Return the row numbers of the training examples of the member with this seed, in ascending order."""
        if self.folds is None:
            return super().rows_of(seed)
        return np.flatnonzero(self.folds != self.fold_of(seed))

    def left_out(self, fold: int) -> Part:
        """Return the examples of a fold, without weights of classes; of equal weight if all their weights are 0."""
        part = self.dataset.train[np.flatnonzero(self.folds == fold)]
        return part if part.weights is None or part.weights.any() else replace(part, weights=None)

    @cached_property
    def examples_left_out(self) -> Callable[[int], Examples]:
        """A function from a fold to its examples on the device, moved there once."""
        return functools.cache(lambda fold: self.inference.to_device(self.left_out(fold)))

    @cached_property
    def examples_judged_together(self) -> Examples:
        """The training examples on the device, without weights of classes."""
        weights, backend = self.dataset.train.weights, self.backend
        own = None if weights is None else backend.asarray(weights.astype(backend.dtype_name, copy=False))
        return self.train_examples._replace(weights=own)

    def judging(self, run: Run) -> Examples | None:
        """Return the validation examples, or with folds the examples of the fold left out by the member."""
        return super().judging(run) if self.folds is None else self.examples_left_out(self.fold_of(run.settings.seed))

    def out_of_fold(self, runs: Sequence[Run]) -> npt.NDArray[np.float64] | None:
        """Predict each example by the members not trained on it, averaging over several: (n, n_out).

        NaN for examples of folds without a remaining member; ``None`` without folds.
        """
        if self.folds is None:
            return None
        return self.predicted_out_of_fold((run.settings.seed, self._prediction_of(run)) for run in _voters(runs))

    def _prediction_of(self, run: Run) -> npt.NDArray[Any]:
        """Predict the examples that a member has left out, (n, n_out)."""
        examples = self.examples_left_out(self.fold_of(run.settings.seed))
        return self.backend.to_numpy(self.inference.outputs(run.parameters or [], examples.features, examples.codes))

    def predicted_out_of_fold(self, members: Iterable[tuple[int, npt.NDArray[Any]]]) -> npt.NDArray[np.float64]:
        """Predict as `out_of_fold` does, from the seeds of members and their predictions for what they left out."""
        assert self.folds is not None
        count, width = self.config.train.folds or 1, self.network.root.width
        sums, voters = np.zeros((len(self.folds), width)), np.zeros(count)
        for seed, prediction in members:
            fold = self.fold_of(seed)
            sums[self.folds == fold] += prediction
            voters[fold] += 1
        with np.errstate(invalid="ignore"):
            return sums / voters[self.folds][:, None]

    @property
    def judged_together(self) -> bool:
        """Whether members are judged by their out-of-fold predictions together, rather than each by its own fold."""
        how = self.config.train.judge_folds
        return self.folds is not None and (how == "together" or (how == "auto" and len(self.folds) < FEW))

    def with_members(self, seeds: Iterable[int]) -> npt.NDArray[np.bool_]:
        """Return a mask of the training examples in folds left out by members with these seeds, (n,)."""
        assert self.folds is not None
        return np.isin(self.folds, [self.fold_of(seed) for seed in seeds])

    def calibrate(self, runs: Iterable[Run]) -> None:
        """Calibrate the members, with one temperature for all if they are judged together."""
        voters = _voters([run for run in runs if run.parameters is not None])
        if not (voters and self.config.train.calibrate and self.judged_together):
            super().calibrate(runs)
            return
        prediction, rows = self.out_of_fold(voters), self.with_members(run.settings.seed for run in voters)
        assert prediction is not None
        factor = self.inference.sharpening(prediction, self.examples_judged_together, rows, cautious=True)
        for run in voters:
            run.parameters = sharpened(self.network.layers, run.parameters, factor)

    def voting(self, runs: Sequence[Run]) -> ConfigTrainable:
        """Return a trainable with the same data and config, and the network of the vote."""
        voters = max(1, len(_voters(runs)))
        return _Voting(self.config, self.dataset, self.backend, voters=voters, steps_per_epoch=self.steps_per_epoch)


@dataclass(frozen=True)
class _Voting(ConfigTrainable):
    """Trainable of a vote after its training, in which each member had ``steps_per_epoch``, of its own folds."""

    voters: int = 1
    steps_per_epoch: int = 1

    @cached_property
    def network(self) -> Network:
        """The network of this many voters."""
        return voting(super().network, self.voters)


class VotePolicy(ConfigPolicy):
    """Policy for members judged together, by their mean prediction for the validation part."""

    _judged: tuple[int, float] = (0, 0.0)

    def figure(self, run: Run, column: int) -> float | None:
        """Return the figure of the vote after this epoch, the same for all members."""
        epoch, examples = len(run.epochs), self.trainable.validation_examples
        if examples is None or self.criterion is None:
            return None
        if self._judged[0] != epoch:
            prediction = np.mean(self._predictions, axis=0, keepdims=True)
            (figure,) = self.trainable.inference.judged(self.criterion, prediction, examples)
            self._judged = epoch, figure
        return self._judged[1]


class FoldPolicy(ConfigPolicy):
    """Policy for members that each leave out a fold, are judged by it, and keep their best epoch.

    With few examples a fold says little: then all are judged together, by their predictions for the folds left out.
    """

    trainable: VoteTrainable
    _figure: float | None = None

    def scores(self, runs: Sequence[Run], state: TrainingState) -> Sequence[Score | None]:
        """Return the scores on the validation part if there is one, else on the fold left out by each member."""
        parameters, seeds = self.trainable.optimizer.evaluated(*state), [run.settings.seed for run in runs]
        left_out = [self.trainable.examples_left_out(self.trainable.fold_of(seed)) for seed in seeds]
        alone = [as_stack(one_of(parameters, column)) for column in range(len(runs))]
        both = map(self.trainable.inference.evaluate_and_predict, alone, left_out)
        scores, self._predictions = zip(*((score, prediction) for (score,), (prediction,) in both), strict=True)
        if self.stopping is not None and self.trainable.judged_together:
            self._judge_together(seeds)
        if self.trainable.validation_part is None:
            return scores
        return RunPolicy.scores(self, runs, state)  # ConfigPolicy's would keep the predictions for that part instead

    def _judge_together(self, seeds: Sequence[int]) -> None:
        """Compute the figure of the out-of-fold predictions of the members with these seeds."""
        assert self.criterion is not None
        prediction = self.trainable.predicted_out_of_fold(zip(seeds, self._predictions, strict=True))
        rows, examples = self.trainable.with_members(seeds), self.trainable.examples_judged_together
        (self._figure,) = self.trainable.inference.judged(self.criterion, prediction[None], examples, rows)

    def figure(self, run: Run, column: int) -> float | None:
        """Return the figure on the fold left out by the member, or that of all members if they are judged together."""
        return self._figure if self.trainable.judged_together else super().figure(run, column)


def with_folds_for(config: Config, examples: int) -> Config:
    """Return the config with fewer folds, of at least two examples each; with two or three examples, two folds.

    A single example gets no folds, and no settings that need held-out examples.
    """
    folds = config.train.folds
    if folds is None or examples >= 2 * folds:
        return config
    fewer = {"folds": max(examples // 2, 2)}
    alone = {"folds": None, "patience": None, "best_by": "loss", "calibrate": False}
    return config.replaced(train=fewer if examples > 1 else alone)


def notes_on_groups(trainable: ConfigTrainable) -> Iterator[str]:
    """Report that there are too few groups to keep each in one fold."""
    groups, folds = trainable.dataset.groups, trainable.config.train.folds
    if groups is not None and folds is not None and (count := len(np.unique(groups))) < folds:
        yield f"the training part has {count} groups, fewer than train.folds = {folds}: they are spread over folds"


def voters_note(runs: Sequence[Run]) -> str | None:
    """Return a note on the members that have left a vote; ``None`` if there are none."""
    lost = [str(run.settings.seed) for run in runs if run.status is Status.DIVERGED]
    if not lost or len(lost) == len(runs):
        return None
    return (
        f"{len(lost)} of {len(runs)} members diverged and leave the vote (seed {', '.join(lost)}): a lower "
        "train.learning_rate may keep them"
    )


def joined(runs: Sequence[Run], settings: RunSettings) -> Run:
    """Combine the records of a vote's members: their parameters, and the means of their figures.

    Members that diverged are excluded; if all have, the result is the first of them.

    Parameters
    ----------
    runs : sequence of Run
        Ended, at least one.
    settings : RunSettings
        Settings of the vote.
    """
    voters = _voters(runs)
    if len(runs) == 1 or not voters:
        return runs[0]
    statuses = {run.status for run in voters}
    status = next((one for one in (Status.INTERRUPTED, Status.STOPPED_EARLY) if one in statuses), Status.FINISHED)
    best = {run.best_epoch for run in voters}
    steps = min(run.steps for run in voters)
    return Run(
        settings,
        voters[0].metric,
        status,
        epochs=[mean_row(rows) for rows in zip(*(run.epochs for run in voters), strict=False)],
        batch_losses=[np.mean([run.losses[:steps] for run in voters], axis=0)],
        parameters=[run.parameters for run in voters] if len(voters) > 1 else voters[0].parameters,
        best_loss=fmean(run.best_loss for run in voters),
        best_epoch=best.pop() if len(best) == 1 else 0,
        train_scores=[
            Score(*map(fmean, zip(*scores, strict=True)))
            for scores in zip(*(run.train_scores for run in voters), strict=False)
        ],
    )


def _voters(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.status is not Status.DIVERGED]


def mean_row(rows: Sequence[EpochRow]) -> EpochRow:
    """Average the members' figures of an epoch."""
    columns = zip(*(row[1:] for row in rows), strict=True)
    figures: list[Any] = [None if None in column else fmean(column) for column in columns]
    return EpochRow(rows[0].epoch, *figures)
