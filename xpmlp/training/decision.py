"""Decision rules: the class of a prediction, where it is not simply the most probable one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from xpmlp.config import Config, load_config
from xpmlp.data import Dataset
from xpmlp.data.saved import Finite, Saved
from xpmlp.errors import ConfigError, DataError
from xpmlp.nn import Loss
from xpmlp.storage import SavedNetwork
from xpmlp.training.labelled import by_class

SECTION = "decision"
"""Section of a saved network with its decision rule."""

MAX_COSTS = 1_000
"""Maximum number of classes for a table of costs."""


class Decision(Saved):
    """Rule for choosing classes by their probabilities ``p``; one of its attributes is given.

    Attributes
    ----------
    weights : (n_classes,)
        The class with the largest ``w_j p_j`` is chosen: misclassifying an example of class ``j`` costs ``w_j``.
    costs : (n_classes, n_classes)
        The class ``j`` with the least expected cost ``sum_i p_i c_ij`` is chosen; ``c_ij`` is the cost of choosing
        ``j`` where ``i`` is right.
    thresholds : (n_outputs,)
        For yes-or-no outputs: yes above the threshold.
    """

    called = "a decision"

    weights: tuple[Finite, ...] = ()
    costs: tuple[tuple[Finite, ...], ...] = Field((), max_length=MAX_COSTS)
    thresholds: tuple[Finite, ...] = ()

    def choose(self, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Choose a class for each row of probabilities (n, n_classes), as (n,); or yes or no, as (n, n_outputs)."""
        if self.thresholds:
            return (probabilities > np.asarray(self.thresholds)).astype(np.int64)
        if self.costs:
            chosen = (probabilities @ np.asarray(self.costs)).argmin(axis=1)
        else:
            chosen = (probabilities * np.asarray(self.weights or 1.0)).argmax(axis=1)
        return np.asarray(chosen, np.int64)


def decision_of(config: Config, dataset: Dataset, loss: Loss) -> Decision | None:
    """Return the decision rule set by ``model.threshold`` for a data set; ``None`` for the most probable class.

    "balanced" uses the frequencies of the classes in the training part, or of yes among flags.

    Raises
    ------
    ConfigError
        If it does not fit the targets.
    """
    given = config.model.threshold
    if given is None:
        return None
    shares: npt.NDArray[np.float64] | None = None
    if given == "balanced":
        part, k = dataset.train, dataset.n_classes
        weights = np.ones(len(part)) if part.weights is None else part.weights
        rows = part.targets.reshape(len(part), -1)
        counted = rows if dataset.target_names else rows == np.arange(k)
        shares = np.average(counted, axis=0, weights=weights)
    n_outputs = loss.n_outputs(len(dataset.target_names), dataset.n_classes)
    return _decision(given, dataset.classes, n_outputs, loss, shares)


def decided_by(saved: SavedNetwork, threshold: Any) -> SavedNetwork:
    """Return the network with another decision rule, given like ``model.threshold`` except for "balanced".

    Raises
    ------
    ConfigError
        If ``model.threshold`` does not allow it, or it does not fit the network's classes.
    """
    if threshold is None:
        return saved
    if not isinstance(threshold, str):  # checked as in any config
        threshold = load_config("xpmlp:quickstart.toml", {"model.threshold": threshold}).model.threshold
    sections = {name: one for name, one in (saved.sections or {}).items() if name != SECTION}
    if threshold != "none":
        loss = saved.network.loss
        made = _decision(threshold, saved.classes, saved.network.root.width, loss, None)
        sections[SECTION] = made.model_dump(mode="json", exclude_defaults=True)
    return saved._replace(sections=sections or None)


def saved_decision(saved: SavedNetwork) -> Decision | None:
    """Return the decision rule of a saved network; ``None`` for the most probable class.

    Raises
    ------
    DataError
        If the saved rule is invalid, or for other classes.
    """
    found = (saved.sections or {}).get(SECTION)
    if found is None:
        return None
    decision = Decision.from_saved(found)
    k = saved.classes.size
    fitting = (
        (decision.thresholds and len(decision.thresholds) == saved.network.root.width)
        or (decision.costs and [len(row) for row in decision.costs] == [k] * k)
        or len(decision.weights) == k > 0
    )
    if not fitting:
        raise DataError("the saved network's decision is for other classes than its own")
    return decision


def _decision(
    given: Any, classes: npt.NDArray[Any], n_outputs: int, loss: Loss, shares: npt.NDArray[np.float64] | None
) -> Decision:
    """Make a decision rule from a number, from shares if ``given`` is "balanced", or from a table of costs."""
    of_flags = loss.targets == "flags" and not classes.size
    if not of_flags and not classes.size:
        raise ConfigError(f"model.threshold is for classes, and not for the loss {loss.name}: leave it out.")
    if isinstance(given, str):
        if given != "balanced" or shares is None:
            reason = "needs the training rows" if given == "balanced" else "is no rule"
            raise ConfigError(f"model.threshold = {given or 'empty'} {reason}: give a number or costs.")
        if of_flags:
            return Decision(thresholds=tuple(np.clip(shares, 0.0, 1.0).tolist()))
        return Decision(weights=tuple((1 / np.maximum(shares, 1e-12)).tolist()))
    if isinstance(given, int | float):
        if of_flags:
            return Decision(thresholds=(float(given),) * n_outputs)
        if len(classes) != 2:
            raise ConfigError(
                f"model.threshold = {given:g} is for two classes, and the data have {len(classes)}: give a table of "
                'costs, or "balanced".'
            )
        return Decision(weights=(float(given), 1 - float(given)))
    if of_flags:
        raise ConfigError('model.threshold has costs, and the targets are yes and no: give a number, or "balanced".')
    return _by_costs(given, classes)


def _by_costs(given: dict[Any, Any], classes: npt.NDArray[Any]) -> Decision:
    """Make a decision rule from the costs of confusing classes, 1 where none is given."""
    told = by_class(given, classes, "model.threshold", "cost")
    if not any(isinstance(cost, dict) for cost in told.values()):
        weights = np.ones(len(classes))
        weights[list(told)] = list(told.values())
        return Decision(weights=tuple(weights.tolist()))
    if len(classes) > MAX_COSTS:
        raise ConfigError(f"model.threshold has costs for {len(classes):,} classes; at most {MAX_COSTS:,} have them.")
    costs = 1.0 - np.eye(len(classes))
    for right, cost in told.items():
        if not isinstance(cost, dict):
            costs[right] = cost * (np.arange(len(classes)) != right)
            continue
        for chosen, one in by_class(cost, classes, f"model.threshold.{classes[right]}", "cost").items():
            costs[right, chosen] = one
    return Decision(costs=tuple(map(tuple, costs.tolist())))
