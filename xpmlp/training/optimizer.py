"""The optimiser that a config's ``[train]`` describes."""

from __future__ import annotations

from typing import Any

from xpmlp._tree import leaves
from xpmlp.config import TrainConfig
from xpmlp.errors import ConfigError
from xpmlp.optim import Optimizer, averaged, clip_by_global_norm, compose, optimizers


def optimizer_of(train: TrainConfig, kinds: Any) -> Optimizer:
    """Compose the optimiser: clipping, the rule with its decay, averaging.

    Parameters
    ----------
    train : TrainConfig
    kinds : tree of str
        In the structure of the parameters.

    Raises
    ------
    ConfigError
        If ``train.rates`` names a kind of parameters that the network does not have.
    """
    known = list(dict.fromkeys(kind for _, kind in leaves(kinds)))
    for kind in (kind for kind in train.rates or {} if kind not in known):
        raise ConfigError(
            f"train.rates has a factor for {kind!r}, which is no kind of the network's parameters; they are "
            f"{', '.join(known)}."
        )
    record = optimizers[train.optimizer]
    rule = record.make(kinds, train.rates, **record.constants(train))
    if train.clip_norm is None and train.averaging is None:
        return rule
    clipping = [] if train.clip_norm is None else [clip_by_global_norm(kinds, train.clip_norm)]
    averaging = [] if train.averaging is None else [averaged(kinds, train.averaging)]
    return compose(*clipping, rule, *averaging)


def takes_factors(train: TrainConfig) -> bool:
    """Whether the optimiser does without gradients, so that updates may be delayed."""
    return not train.rates and optimizer_of(train, []).update_from_factors is not None
