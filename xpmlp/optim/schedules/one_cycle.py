"""One cycle: up to the full value and down again, along two half cosines."""

import math

from xpmlp.optim.schedules.schedule import of_progress

RISE, FIRST, LAST = 0.3, 1 / 25, 1 / 250_000
"""Part of the training in which the value rises, and its first and last values as parts of the full value: the defaults
of fastai, PyTorch and optax.
"""


def _factor(progress: float) -> float:
    """Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018."""
    if progress < RISE:
        begin, end, part = FIRST, 1.0, progress / RISE
    else:
        begin, end, part = 1.0, LAST, (progress - RISE) / (1 - RISE)
    return end + (begin - end) * (1 + math.cos(math.pi * part)) / 2


one_cycle = of_progress(
    "one_cycle",
    "from 1/25 of the value up to it in three tenths of the training, then down to 1/250,000, along half cosines",
    _factor,
)
