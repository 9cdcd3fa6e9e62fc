"""Small networks and batches for the reference, with every activation, loss and optimiser."""

from __future__ import annotations

import itertools

import numpy as np

from xpmlp.verify.reference import Batch, ReferenceLayer, ReferenceNetwork

WIDTHS = (5, 4, 6, 3)
EXAMPLES = 7


def random_parameters(seed: int = 0) -> list[ReferenceLayer]:
    """Three layers without any symmetry."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), 0.3 * rng.normal(size=(1, n_out)))
        for n_in, n_out in itertools.pairwise(WIDTHS)
    ]


def random_batch(network: ReferenceNetwork, seed: int = 0, *, weighted: bool = False, dropout: bool = False) -> Batch:
    """A batch whose targets suit the network's loss."""
    rng = np.random.default_rng([1, seed])
    x = rng.normal(size=(EXAMPLES, WIDTHS[0]))
    values = rng.normal(size=(EXAMPLES, WIDTHS[-1]))
    targets = {
        "cross_entropy": rng.integers(0, WIDTHS[-1], EXAMPLES),
        "logistic": (values > 0).astype(np.float64),
        "squared": values,
        "poisson": np.floor(np.abs(2 * values)),
        "absolute": values,
        "huber": values,
        "quantile": values[:, :1],
    }[network.loss]
    weights = rng.uniform(0.2, 3, EXAMPLES) if weighted else None
    masks = [2.0 * (rng.random((EXAMPLES, width)) < 0.5) for width in WIDTHS[1:-1]] if dropout else []
    return Batch(x, targets, weights, masks)
