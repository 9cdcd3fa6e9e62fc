"""Initialisers of a dense layer's weights, drawn on the host in float64.  The table is `initializers`.

The streams of random numbers are those of `xpmlp.init`.  NumPy is not imported here, since configs import the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from xpmlp._records import RecordTable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]


class Initializer(NamedTuple):
    """An initialiser of a dense layer's parameters.

    Attributes
    ----------
    name : str
    draw : (generator, n_in, n_out, scale) -> weights (n_in, n_out)
        In float64; ``scale`` is the config's ``init_scale``.
    formula : str
        The formula, for the documentation.
    forward_scale : (n_in) -> float
        The factor applied to ``x @ weights`` in the layer's forward pass.
    from_data : (generator, x, n_out, forward_scale) -> (weights (n_in, n_out), biases (1, n_out)), optional
        Replaces ``draw`` and zero biases if the layer's inputs ``x`` (rows, n_in) for some training examples are known:
        on the host, in float64.
    """

    name: str
    draw: Callable[[np.random.Generator, int, int, float], Floats]
    formula: str
    forward_scale: Callable[[int], float] = lambda n_in: 1.0
    from_data: Callable[[np.random.Generator, Floats, int, float], tuple[Floats, Floats]] | None = None


def _uniform(bound: Callable[[int, int], float]) -> Callable[[np.random.Generator, int, int, float], Floats]:
    """Build a draw from the uniform distribution on ``+- bound(n_in, n_out)``."""
    return lambda rng, n_in, n_out, scale: rng.uniform(-bound(n_in, n_out), bound(n_in, n_out), (n_in, n_out))


def _normal(deviation: Callable[[int, int, float], float]) -> Callable[[np.random.Generator, int, int, float], Floats]:
    """Build a draw from the normal distribution of standard deviation ``deviation(n_in, n_out, scale)``."""
    return lambda rng, n_in, n_out, scale: deviation(n_in, n_out, scale) * rng.standard_normal((n_in, n_out))


def _zeros(rng: np.random.Generator, n_in: int, n_out: int, scale: float) -> Floats:
    import numpy as np

    return np.zeros((n_in, n_out))


FEW_ROWS = 10
"""Minimum number of rows for a unit's own deviation; with fewer it is chance, and may be close to zero."""

ROUNDING = 1e-12
"""Deviations up to this may be rounding errors of earlier layers, and are not scaled up."""

BIAS_PLACES = 5
"""The number of data points averaged for an initial bias."""


def fitted_to_data(rng: np.random.Generator, x: Floats, n_out: int, forward_scale: float) -> tuple[Floats, Floats]:
    """Draw weights whose sums have deviation 1 over the data, and biases that put each unit's zero among the data.

    Normal weights are divided by the standard deviation of ``forward_scale * x @ weights``, unit by unit, or with few
    rows by that of all units together.  A tenth of the latter is the least divisor, so that other data than ``x`` have
    sums of a like size; units whose sums vary by rounding only are not scaled.  A bias is minus a random mean of
    the unit's sums at five rows of ``x``, with coefficients uniformly distributed over those that sum to 1.

    Parameters
    ----------
    x : (rows, n_in)
        The layer's inputs, at least one row.

    Returns
    -------
    weights : (n_in, n_out)
    biases : (1, n_out)

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart, Better by default, NeurIPS 2024 (RealMLP), section 3 and the code published
    with it; Steinwart, A sober look at neural network initializations, 2019, for the biases.
    """
    import numpy as np

    weights = rng.standard_normal((x.shape[1], n_out))
    sums = forward_scale * (x @ weights)
    deviation = sums.std(axis=0)
    together = np.sqrt(np.mean(deviation**2))
    deviation = np.maximum(deviation, together if len(x) < FEW_ROWS else 0.1 * together)
    deviation[deviation <= max(1e-9 * np.abs(sums).max(), ROUNDING)] = 1.0
    places = rng.integers(0, len(x), (BIAS_PLACES, n_out))
    parts = rng.standard_exponential((BIAS_PLACES, n_out))
    parts /= parts.sum(axis=0)
    chosen = (sums / deviation)[places, range(n_out)]
    return weights / deviation, -(parts * chosen).sum(axis=0, keepdims=True)


def _root(n_in: int) -> float:
    return 1 / math.sqrt(n_in)


_RECORDS = (
    Initializer(
        "glorot_uniform",
        _uniform(lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
        "uniform, with variance 2 / (inputs + outputs) (Glorot and Bengio, AISTATS 2010, equation 16)",
    ),
    Initializer(
        "glorot_normal",
        _normal(lambda n_in, n_out, scale: math.sqrt(2 / (n_in + n_out))),
        "normal, with variance 2 / (inputs + outputs) (equation 12)",
    ),
    Initializer(
        "he_uniform",
        _uniform(lambda n_in, n_out: math.sqrt(6 / n_in)),
        "uniform, with variance 2 / inputs, for relu (He, Zhang, Ren and Sun, ICCV 2015)",
    ),
    Initializer(
        "he_normal",
        _normal(lambda n_in, n_out, scale: math.sqrt(2 / n_in)),
        "normal, with variance 2 / inputs, for relu (equation 10)",
    ),
    Initializer(
        "lecun_uniform",
        _uniform(lambda n_in, n_out: math.sqrt(3 / n_in)),
        "uniform, with variance 1 / inputs, for tanh and selu (LeCun, Bottou, Orr and Müller 1998, section 4.6)",
    ),
    Initializer(
        "lecun_normal",
        _normal(lambda n_in, n_out, scale: math.sqrt(1 / n_in)),
        "normal, with variance 1 / inputs, for tanh and selu",
    ),
    Initializer("normal", _normal(lambda n_in, n_out, scale: scale), "normal, with standard deviation `init_scale`"),
    Initializer("zeros", _zeros, "0, for a layer whose output is added to another's"),
    Initializer(
        "ntk",
        _normal(lambda n_in, n_out, scale: 1.0),
        "normal, with variance 1; the layer divides its sums by the square root of the number of inputs "
        "(Jacot, Gabriel and Hongler, NeurIPS 2018)",
        _root,
    ),
    Initializer(
        "data",
        _normal(lambda n_in, n_out, scale: 1.0),
        "as `ntk`, with sums scaled to variance 1 over a thousand training examples, and biases that put each unit's "
        "zero among these (RealMLP)",
        _root,
        fitted_to_data,
    ),
)

initializers = RecordTable("initializer", Initializer, {one.name: one for one in _RECORDS})
