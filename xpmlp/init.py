"""Random numbers of a training, for first weights and orders of examples: by the seed alone, alike on every backend.

The array API standard has no random numbers.  NumPy draws here, in float64, as a function of (seed, purpose), and
the backend takes the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from xpmlp.initializers import initializers


class Purpose(IntEnum):
    """Purposes that random numbers are drawn for: each purpose has a stream of its own."""

    WEIGHTS = 0
    BATCH_ORDER = 1
    INITIAL_ROWS = 2


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments, for example (seed, BATCH_ORDER, epoch)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(purpose), *index])))


def batch_order(seed: int, epoch: int, examples: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits its examples: a permutation of ``range(examples)``."""
    return generator(seed, Purpose.BATCH_ORDER, epoch).permutation(examples)


ROWS = 1000
"""To how many training examples first parameters are fitted."""


def data_rows(seed: int, examples: int) -> npt.NDArray[np.int64]:
    """The training examples, rising, to which first parameters are fitted: up to a thousand, drawn by the seed."""
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
        The standard deviation of ``normal``; the others ignore it.

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
