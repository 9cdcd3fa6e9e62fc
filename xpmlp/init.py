"""Random numbers of a training, for initial weights and orders of examples: set by the seed, equal on every backend.

The array API standard has no random numbers.  NumPy draws them here, in float64, as a function of (seed, purpose),
and the backend converts the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from xpmlp.initializers import initializers


class Purpose(IntEnum):
    """The purposes of random numbers; each has a stream of its own."""

    WEIGHTS = 0
    BATCH_ORDER = 1
    INITIAL_ROWS = 2


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """Build a generator that depends only on the arguments, for example (seed, BATCH_ORDER, epoch)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(purpose), *index])))


def batch_order(seed: int, epoch: int, examples: int) -> npt.NDArray[np.int64]:
    """Draw the order of an epoch's examples: a permutation of ``range(examples)``."""
    return generator(seed, Purpose.BATCH_ORDER, epoch).permutation(examples)


ROWS = 1000
"""Maximum number of training examples to which initial parameters are fitted."""


def data_rows(seed: int, examples: int) -> npt.NDArray[np.int64]:
    """Draw by the seed up to a thousand training examples, in ascending order, to fit initial parameters to."""
    rng = generator(seed, Purpose.INITIAL_ROWS)
    return np.sort(rng.choice(examples, min(ROWS, examples), replace=False))


def initial_parameters(
    sizes: Sequence[int], seed: int, initializer: str = "glorot_uniform", scale: float = 0.01
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Draw a network's weights; its biases are zero.

    Parameters
    ----------
    sizes : sequence of int
        The widths of the layers, from the number of features to the number of outputs.
    seed : int
    initializer : str
        A key of `initializers`.
    scale : float
        The standard deviation of ``normal``; ignored by the others.

    Returns
    -------
    parameters : list of (weights (n_in, n_out), biases (1, n_out))
        In float64.

    Raises
    ------
    KeyError
        If there is no such initializer.
    """
    rng = generator(seed, Purpose.WEIGHTS)
    draw = initializers[initializer].draw
    return [(draw(rng, n_in, n_out, scale), np.zeros((1, n_out))) for n_in, n_out in itertools.pairwise(sizes)]
