"""Piecewise-linear embeddings of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths, descend_by, numbers_of, width_of
from xpmlp.nn.layers.by_feature import (
    affine,
    affine_backward,
    affine_gradients,
    features_first,
    features_last,
    stacked,
)
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

UNBOUNDED = 3e38
"""The number for no bound: a finite number of float32, as files want their numbers."""


class Bins(NamedTuple):
    """The bins of each feature, ([runs,] features, bins), which are not trained.

    Attributes
    ----------
    begins, slopes
        A bin's lower edge, and 1 over its width; 0 for one that the feature has not.
    lower, upper
        Between what ``(x - begins) * slopes`` is held: 0 and 1, but the first bin is open below and the last above.
    """

    begins: Array
    slopes: Array
    lower: Array
    upper: Array


class PiecewiseParameters(NamedTuple):
    """Of each feature: its bins, and a dense layer of how far they are filled.

    Attributes
    ----------
    bins : Bins
    weights : ([runs,] features * bins, width)
    biases : ([runs,] features, width)
    """

    bins: Bins
    weights: Array
    biases: Array


class PiecewiseFactors(NamedTuple):
    """The parameters, and arrays (runs * features, batch, bins or width) of which the gradients are made."""

    parameters: PiecewiseParameters
    filled: Array
    delta: Array


def piecewise_linear(bins: int | Sequence[Sequence[float]] = 48, width: Count = 8) -> LayerMaker:
    """Embed each number as a continuous, piecewise linear function of it, with corners at the edges of its bins.

    Bin ``t`` is filled to ``(x - edge_t) / (edge_{t + 1} - edge_t)``, held between 0 and 1, but for numbers below the
    first and above the last edge; a dense layer of each feature takes that.  Weights and biases begin uniform on
    ``+- 1 / sqrt(bins)``.

    Parameters
    ----------
    bins : int, or the ascending edges of each feature, one more than it has bins
        Of a number of bins the edges are quantiles of rows of the training part (`Layer.fit`), without repetitions;
        without such rows, of the standard normal distribution.
    width : int
        Of each number's embedding.

    Raises
    ------
    ValueError
        If there are not edges for each feature, or they do not ascend.

    References
    ----------
    Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
    """
    count = bins if isinstance(bins, int) else max((len(edges) - 1 for edges in bins), default=1)

    def make(widths: Widths | int) -> Layer:
        import numpy as np

        features = width_of(widths)
        given = [] if isinstance(bins, int) else [list(edges) for edges in bins]
        ascending = len(given) == features and all(len(edges) > 1 and np.all(np.diff(edges) > 0) for edges in given)
        if not (bins > 0 if isinstance(bins, int) else ascending):
            raise ValueError(f"bins of {features} features are needed: at least two ascending edges for each.")

        def init(generator: np.random.Generator) -> PiecewiseParameters:
            weights = generator.uniform(-1, 1, (features * count, width)) * count**-0.5
            biases = generator.uniform(-1, 1, (features, width)) * count**-0.5
            edges = [_normal_quantiles(count)] * features if isinstance(bins, int) else given
            return PiecewiseParameters(_bins(edges, count), weights, biases)

        def fit(ops: Ops, generator: np.random.Generator, parameters: PiecewiseParameters, x: Any) -> Any:
            return parameters._replace(bins=_bins(list(map(quantiles, numbers_of(x).T)), count))

        def quantiles(column: npt.NDArray[np.float64]) -> list[float]:
            import numpy as np

            column = column[np.isfinite(column)]
            edges = np.unique(np.quantile(column, np.linspace(0, 1, count + 1))) if column.size else np.zeros(1)
            return [*edges.tolist(), *([edges[0] + 1.0] if edges.size == 1 else [])]

        settings = {"bins": bins if isinstance(bins, int) else given, "width": width}
        slots = PiecewiseParameters(
            Bins(*[Slot("state", features, count)] * 4),
            Slot("embedding_weights", features * count, width),
            Slot("embedding_biases", features, width),
        )
        layer = Layer("piecewise_linear", settings, features * width, init, slots, forward, backward, gradients)
        return layer._replace(descend=descend_by(gradients, slots), fit=fit if isinstance(bins, int) else None)

    return make


def _normal_quantiles(count: int) -> list[float]:
    """The edges of ``count`` bins, equally likely but for the outer ones."""
    return [NormalDist().inv_cdf((edge + 0.5) / (count + 1)) for edge in range(count + 1)]


def _bins(edges: Sequence[Sequence[float]], count: int) -> Bins:
    """Each feature's bins between its edges, ``count`` at most."""
    import numpy as np

    result = Bins(*np.zeros((4, len(edges), count)))
    for feature, own in enumerate(edges):
        last = len(own) - 1
        begins, slopes, lower, upper = (array[feature] for array in result)
        begins[:last], slopes[:last], upper[:last] = own[:-1], 1 / np.diff(own), 1
        lower[0], upper[last - 1] = -UNBOUNDED, UNBOUNDED
    return result


def forward(ops: Ops, parameters: PiecewiseParameters, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array]]:
    """The residuals are how far bins are filled, without bounds and with them, (runs * features, batch, bins)."""
    xp, x = ops.xp, numbers_of(x)
    begins, slopes, lower, upper = (stacked(ops, bins, 1) for bins in parameters.bins)
    free = (features_first(ops, x, 1) - begins) * slopes
    filled = xp.minimum(xp.maximum(free, lower), upper)
    y = affine(ops, filled, parameters.weights, parameters.biases)
    return features_last(ops, y, x.shape[:-2]), (free, filled)


def backward(
    ops: Ops, parameters: PiecewiseParameters, residuals: tuple[Array, Array], upstream: Array, wanted: bool
) -> tuple[Array | None, PiecewiseFactors]:
    """Through the dense layer, and through the bins that are neither empty nor full."""
    xp, (free, filled), back = ops.xp, residuals, None
    delta = features_first(ops, upstream, parameters.weights.shape[-1])
    if wanted:
        slope = affine_backward(ops, delta, parameters.weights, filled.shape[-1])
        slope = slope * stacked(ops, parameters.bins.slopes, 1) * xp.astype(free == filled, slope.dtype)
        back = features_last(ops, xp.sum(slope, axis=-1, keepdims=True), upstream.shape[:-2])
    return back, PiecewiseFactors(parameters, filled, delta)


def gradients(ops: Ops, factors: PiecewiseFactors, divisor: Any) -> PiecewiseParameters:
    """Sums over the batch for the dense layer; the bins stay what they are."""
    parameters, filled, delta = factors
    weights, biases = affine_gradients(ops, filled, delta, parameters.weights, parameters.biases)
    return PiecewiseParameters(parameters.bins, weights / divisor, biases / divisor)
