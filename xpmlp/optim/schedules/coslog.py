"""Four cosine waves, each twice as long as the one before."""

import math

from xpmlp.optim.schedules.schedule import of_progress

coslog = of_progress(
    "coslog",
    "four waves, each up from 0 and back to 0, and twice as long as the one before",
    lambda progress: (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2,
)
"""Holzmueller, Grinsztajn and Steinwart, Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
NeurIPS 2024, section 3."""
