"""Initial weights, drawn on the host: the same bits for every backend, from the seed alone.

The array API standard has no random numbers.  NumPy draws here, in float64, as a function of (seed, purpose), and
the backend takes the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from xpmlp._records import RecordTable

Initializer = Callable[[np.random.Generator, int, int, float], npt.NDArray[np.float64]]
"""(generator, n_in, n_out, scale) -> weights (n_in, n_out)."""


class Purpose(IntEnum):
    """What random numbers are drawn for: each purpose has a stream of its own."""

    WEIGHTS = 0
    BATCH_ORDER = 1


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments, for example (seed, BATCH_ORDER, epoch)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(purpose), *index])))


def batch_order(seed: int, epoch: int, examples: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits its examples: a permutation of ``range(examples)``."""
    return generator(seed, Purpose.BATCH_ORDER, epoch).permutation(examples)


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int, scale: float) -> npt.NDArray[np.float64]:
    """Uniform on ``+- sqrt(6 / (n_in + n_out))``: Glorot and Bengio, AISTATS 2010, equation 16."""
    bound = math.sqrt(6 / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_in, n_out))


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int, scale: float) -> npt.NDArray[np.float64]:
    """Normal with variance ``2 / (n_in + n_out)``: Glorot and Bengio, AISTATS 2010, equation 12."""
    return math.sqrt(2 / (n_in + n_out)) * rng.standard_normal((n_in, n_out))


def he_normal(rng: np.random.Generator, n_in: int, n_out: int, scale: float) -> npt.NDArray[np.float64]:
    """Normal with variance ``2 / n_in``, for relu: He, Zhang, Ren and Sun, ICCV 2015, equation 10."""
    return math.sqrt(2 / n_in) * rng.standard_normal((n_in, n_out))


def normal(rng: np.random.Generator, n_in: int, n_out: int, scale: float) -> npt.NDArray[np.float64]:
    """Normal with standard deviation ``scale``."""
    return scale * rng.standard_normal((n_in, n_out))


initializers: RecordTable[Initializer] = RecordTable(
    "initializer",
    Callable,
    {
        "glorot_uniform": glorot_uniform,
        "glorot_normal": glorot_normal,
        "he_normal": he_normal,
        "normal": normal,
    },
)


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
    draw = initializers[initializer]
    return [(draw(rng, n_in, n_out, scale), np.zeros((1, n_out))) for n_in, n_out in itertools.pairwise(sizes)]
