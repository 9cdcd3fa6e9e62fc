"""Flat for half of the training, then half a cosine down to zero."""

import math

from xpmlp.optim.schedules.schedule import of_progress

flat_cosine = of_progress(
    "flat_cosine",
    "unchanged for half of the training, then down to 0 along half a cosine",
    lambda progress: (1 + math.cos(math.pi * (max(1.0, 2 * progress) - 1))) / 2,
)
"""Holzmueller, Grinsztajn and Steinwart, Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
NeurIPS 2024, appendix A, for dropout and weight decay."""
