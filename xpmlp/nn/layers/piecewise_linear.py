"""Piecewise-linear embeddings of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths, numbers_of, width_of
from xpmlp.nn.layers.by_feature import Functions, columns, embedding_of
from xpmlp.nn.layers.settings import Count
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BEYOND = 1.0
"""Reach of the outermost bins beyond the edges, in their widths: bins of skewed numbers are narrow at one end, and an
unbounded function of a steep slope would explode for a number far beyond it."""

NEAR = 1e-6
"""Distance of two quantiles, relative to the spread of all, up to which they are one edge."""


class Bins(NamedTuple):
    """Bins of each feature, ([runs,] features, bins), which are not trained.

    Attributes
    ----------
    begins, slopes
        A bin's lower edge, and 1 over its width; 0 for bins that the feature lacks.
    lower, upper
        Bounds of ``(x - begins) * slopes``: 0 and 1, but `BEYOND` less in the first bin, and more in the last.
    """

    begins: Array
    slopes: Array
    lower: Array
    upper: Array


class PiecewiseParameters(NamedTuple):
    """Parameters of each feature: its bins, and a dense layer of how far they are filled.

    Attributes
    ----------
    bins : Bins
    weights : ([runs,] features * bins, width)
    biases : ([runs,] features, width)
    """

    bins: Bins
    weights: Array
    biases: Array


def piecewise_linear(bins: int | Sequence[Sequence[float]] = 48, width: Count = 8) -> LayerMaker:
    """Embed each number by continuous, piecewise linear functions with corners at the edges of its bins.

    Bin ``t`` is filled to ``(x - edge_t) / (edge_{t + 1} - edge_t)``, held between 0 and 1; but the first goes down to
    -1 and the last up to 2, that is, one width beyond the edges, where the publication has no bounds.  A dense layer of
    each feature takes that.  Weights and biases begin uniform on ``+- 1 / sqrt(bins)``.

    Parameters
    ----------
    bins : int, or the ascending edges of each feature, one more than it has bins
        For a number of bins, the edges are quantiles of rows of the training part (`Layer.fit`), without those that
        differ from the one before by rounding only; without such rows, quantiles of the standard normal distribution.
    width : int
        Width of each number's embedding.

    Raises
    ------
    ValueError
        If a feature has no edges, or its edges do not ascend.

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

        def uniform(kind: str, rows: int) -> Slot:
            return Slot(kind, rows, width, lambda rng: rng.uniform(-1, 1, (rows, width)) * count**-0.5)

        def fit(ops: Ops, generator: np.random.Generator, parameters: PiecewiseParameters, x: Any) -> Any:
            return parameters._replace(bins=_bins(list(map(quantiles, numbers_of(x).T)), count))

        def quantiles(column: npt.NDArray[np.float64]) -> list[float]:
            column = column[np.isfinite(column)]
            edges = np.quantile(column if column.size else [0.0], np.linspace(0, 1, count + 1))
            spread = np.ptp(np.quantile(edges, (0.1, 0.9))) or np.ptp(edges)
            edges = edges[np.diff(edges, prepend=-np.inf) > NEAR * spread]
            return [*edges.tolist(), *([edges[0] + 1.0] if edges.size == 1 else [])]

        def first(place: int) -> Slot:
            def begins(generator: np.random.Generator) -> Any:
                return _bins(given or [_normal_quantiles(count)] * features, count)[place]

            return Slot("state", features, count, begins)

        slots = PiecewiseParameters(
            Bins(*map(first, range(4))),
            uniform("embedding_weights", features * count),
            uniform("embedding_biases", features),
        )
        settings = {"bins": bins if isinstance(bins, int) else given, "width": width}
        passes, fitted = embedding_of(FILLED), fit if isinstance(bins, int) else None
        layer = Layer.of("piecewise_linear", settings, features * width, slots, *passes, fresh=True)
        return layer._replace(
            fit=fitted, within=4 * features * count
        )  # a compiled step keeps the result of each operation

    return make


def _normal_quantiles(count: int) -> list[float]:
    """Return the edges of ``count`` bins, equally likely but for the outer ones."""
    return [NormalDist().inv_cdf((edge + 0.5) / (count + 1)) for edge in range(count + 1)]


def _bins(edges: Sequence[Sequence[float]], count: int) -> Bins:
    """Build each feature's bins between its edges, ``count`` at most."""
    import numpy as np

    result = Bins(*np.zeros((4, len(edges), count)))
    for feature, own in enumerate(edges):
        last = len(own) - 1
        begins, slopes, lower, upper = (array[feature] for array in result)
        begins[:last], slopes[:last], upper[:last] = own[:-1], 1 / np.diff(own), 1
        lower[0], upper[last - 1] = -BEYOND, 1 + BEYOND
    return result


def _filled(ops: Ops, parameters: PiecewiseParameters, free: Array) -> Array:
    lower, upper = (columns(ops, bound) for bound in parameters.bins[2:])
    return ops.xp.minimum(ops.xp.maximum(free, lower), upper)


def _free(ops: Ops, parameters: PiecewiseParameters, x: Array) -> Array:
    """Compute how far the bins would be filled without bounds."""
    begins = columns(ops, parameters.bins.begins)
    free = ops.affine(ops.xp.ones_like(begins), x, -begins)
    free *= columns(ops, parameters.bins.slopes)
    return free


FILLED = Functions(
    argument=_free,
    slope=lambda ops, parameters: columns(ops, parameters.bins.slopes),
    value=_filled,
    backward=lambda ops, delta, free, filled: delta * ops.xp.astype(free == filled, delta.dtype),
)
"""Filling of the bins; only bins that are neither empty nor full propagate a derivative."""
