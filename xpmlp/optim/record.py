"""The record of an optimiser: everything that the rest of the program asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from xpmlp.optim.optimizer import Hyperparameters, Optimizer


class Hyperparameter(NamedTuple):
    """A setting of an optimiser.

    Attributes
    ----------
    default : float
    description : str
        For the documentation, without a full stop.
    minimum, above, below : float, optional
        Bounds of the value, which may equal ``minimum``, but not ``above`` or ``below``.
    """

    default: float
    description: str
    minimum: float | None = None
    above: float | None = None
    below: float | None = None


class OptimizerRecord(NamedTuple):
    """An optimiser by its name.

    Attributes
    ----------
    name : str
        Its name in a config.
    description : str
        For the documentation, without a full stop.
    make : (kinds, rates, **constants) -> Optimizer
        ``kinds`` is a tree of str in the structure of the parameters, ``rates`` are factors on the learning rate by
        kind.  ``constants`` are the hyperparameters that are not among the fields of `Hyperparameters`.
    slots : int
        Number of values that it stores for each parameter.
    hyperparameters : mapping of Hyperparameter
        By name, besides the learning rate and the weight decay, which all optimisers have.
    normalizes : bool
        Whether it divides gradients by their own size, so that the rounding error of one near zero decides its step.
    scikit_learn : mapping, optional
        The parameters of scikit-learn's estimators that select this optimiser; the first match in the table counts.
    """

    name: str
    description: str
    make: Callable[..., Optimizer]
    slots: int
    hyperparameters: Mapping[str, Hyperparameter] = {}
    normalizes: bool = False
    scikit_learn: Mapping[str, Any] | None = None

    def constants(self, settings: Any) -> dict[str, float]:
        """Return the arguments of ``make``: the attributes of ``settings`` with their names, or defaults."""
        return {
            name: float(getattr(settings, name, one.default))
            for name, one in self.hyperparameters.items()
            if name not in Hyperparameters._fields
        }
