"""Requirements of parts on their configs, checked before any computation, since users may edit the files."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp.config import GRID_AXES, Config


class Demand(NamedTuple):
    """Requirement on a config.

    Attributes
    ----------
    met : (Config) -> bool
    sentence : str
        The requirement in words, as the end of the message; the part's name comes before it.
    """

    met: Callable[[Config], bool]
    sentence: str


def _varying(config: Config) -> set[str]:
    return {axis for axis in GRID_AXES if getattr(config.grid, axis)}


DIGITS = Demand(lambda config: config.data.name in ("mnist", "digits"), 'needs data.name = "mnist" or "digits"')

ONE_TRAINING = Demand(lambda config: not config.grid.is_grid, "trains one network: leave [grid] out")

SEVERAL_RUNS = Demand(
    lambda config: config.grid.runs > 1 and not _varying(config),
    "needs grid.runs of at least 2 for a standard deviation, and lists of nothing in [grid]",
)

LEARNING_RATES = Demand(
    lambda config: _varying(config) == {"learning_rate"} and min(config.grid.learning_rate) > 0,
    "needs grid.learning_rate, each above 0, and no other list in [grid]",
)

VALIDATION = Demand(
    lambda config: config.data.split != "test",
    'needs a validation part: data.split = "validation" or "three-way"',
)

TEST = Demand(lambda config: config.data.split != "validation", 'needs a test: data.split = "test" or "three-way"')

CLASSES = Demand(
    lambda config: config.model.loss in ("auto", "cross_entropy"), 'needs model.loss = "auto" or "cross_entropy"'
)

ONE_HIDDEN_LAYER = Demand(
    lambda config: not config.model.layers and len(config.model.hidden_layer_sizes) == 1,
    "needs one hidden layer, as model.hidden_layer_sizes = [300]",
)

SIGMOID = Demand(
    lambda config: set(config.model.hidden_activations) == {"sigmoid"}, 'needs model.activation = "sigmoid"'
)

EVERY_EPOCH = Demand(
    lambda config: config.train.evaluate_train and config.train.patience is None,
    "needs train.evaluate_train = true, and no train.patience, so that each run has the same epochs",
)

IN_PLAIN_PYTHON = Demand(
    lambda config: (
        (config.data.name, config.train.batch_size, config.train.optimizer) == ("synth", 1, "sgd")
        and config.train.schedule == "constant"
        and (config.train.weight_decay, config.train.class_weight, config.train.patience) == (0, None, None)
        and not any(config.model.dropout_rates)
        and config.model.init == "glorot_uniform"
    ),
    'is trained in plain Python, which knows data.name = "synth", batches of 1 and plain SGD with a constant rate, '
    'from init = "glorot_uniform"',
)
