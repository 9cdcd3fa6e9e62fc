"""The quantile loss: several quantiles of one target, an output for each."""

from __future__ import annotations

import functools
import itertools

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Columns, Loss, check_number
from xpmlp.nn.ops import Ops


@functools.cache
def quantile(quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Loss:
    """The sum over the levels ``q`` of ``max(q (t - o), (q - 1) (t - o))``, with an output ``o`` for each.

    Koenker and Bassett, Regression quantiles, Econometrica 46, 1978.  It is smallest where ``o`` is the quantile: a
    part ``q`` of the targets is below.  The score is that of the output whose level is nearest to 1/2.

    Parameters
    ----------
    quantiles : tuple of float
        Levels, in ascending order.

    Raises
    ------
    ValueError
        If there are none, or one is not between 0 and 1, or they do not ascend.
    """
    if not isinstance(quantiles, tuple) or not quantiles:
        raise ValueError(f"quantiles are {quantiles!r}, and have to be a list of numbers")
    for level in quantiles:
        check_number("quantiles", level, "between 0 and 1", lambda value: 0 < value < 1)
    if any(second <= first for first, second in itertools.pairwise(quantiles)):
        raise ValueError(f"quantiles are {list(quantiles)!r}, and have to rise")
    middle = min(range(len(quantiles)), key=lambda index: abs(quantiles[index] - 0.5))

    def columns(array: Array) -> list[tuple[float, Array]]:
        """Return each level with its output, ([runs,] batch, 1)."""
        return [(level, array[..., index : index + 1]) for index, level in enumerate(quantiles)]

    def value(ops: Ops, logits: Array, targets: Array) -> Array:
        errors = [(level, targets - output) for level, output in columns(logits)]
        parts = [ops.xp.maximum(level * error, (level - 1) * error) for level, error in errors]
        return ops.xp.sum(ops.xp.concat(parts, axis=-1), axis=-1)

    def delta(ops: Ops, logits: Array, targets: Array) -> Array:
        xp = ops.xp
        return xp.concat([xp.astype(o > targets, o.dtype) - level for level, o in columns(logits)], axis=-1)

    def decide(ops: Ops, logits: Array) -> Array:
        return logits[..., middle : middle + 1]

    def refusal(columns: Columns, n_classes: int) -> str | None:
        return None if len(columns) == 1 else f"one column of values, and the data have {len(columns)}"

    return Loss(
        name="quantile",
        value=value,
        delta=delta,
        decide=decide,
        title="quantile loss",
        sentence="the quantile loss, for the `quantiles` of one column of values, with an output for each",
        n_outputs=lambda n_targets, n_classes: len(quantiles) if n_targets == 1 else 0,
        output_names=lambda names: [f"{name}, quantile {level:g}" for name in names for level in quantiles],
        refusal=refusal,
        settings=(("quantiles", quantiles),),
        make=quantile,
    )
