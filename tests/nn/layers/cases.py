"""Every layer with its proofs: a value worked by hand, and the same layer in PyTorch; a new layer adds an entry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves, map_leaves
from xpmlp.nn.layer import Inputs, Layer, LayerMaker, Tree, Widths
from xpmlp.nn.layers import (
    activation,
    adapters,
    add,
    beside,
    categories,
    chain,
    embedding,
    normalisation,
    one_hot,
    parametric,
    periodic,
    piecewise_linear,
    plus,
    prelu,
    repeat,
    scaling,
    vote,
)
from xpmlp.nn.layers.adapters import AdapterParameters
from xpmlp.nn.layers.embedding import EmbeddingParameters
from xpmlp.nn.layers.normalisation import NormalisationParameters
from xpmlp.nn.layers.one_hot import OneHotParameters
from xpmlp.nn.layers.periodic import PeriodicParameters
from xpmlp.nn.layers.piecewise_linear import BEYOND, Bins, PiecewiseParameters
from xpmlp.nn.layers.scaling import ScalingParameters

Floats = npt.NDArray[np.float64]


class Worked(NamedTuple):
    """A pass worked by hand, all as lists.

    Attributes
    ----------
    widths : Widths
    parameters : tree
    numbers : (batch, n)
    codes : (batch, columns), optional
    y, upstream : (batch, width)
    back : (batch, n), optional
        ``None`` where nothing is sent back.
    gradients : tree
        The sums over the batch.
    """

    maker: LayerMaker
    widths: Widths
    parameters: Tree
    numbers: Any
    codes: Any
    y: Any
    upstream: Any
    back: Any
    gradients: Tree


class LayerCase(NamedTuple):
    """A layer.

    Attributes
    ----------
    maker : LayerMaker
    torch : (parameters, numbers, codes) -> y
        The same in PyTorch, on tensors without a runs axis.
    worked : Worked or None
        ``None`` of layers that are joined of others.
    widths : Widths
        For random inputs.
    """

    maker: LayerMaker
    torch: Callable[[Any, Any, Any], Any]
    worked: Worked | None
    widths: Widths = Widths(3, (3, 4, 6))

    @property
    def layer(self) -> Layer:
        return self.maker(self.widths)

    def parameters(self, runs: int, seed: int = 0) -> Tree:
        """First values of each run, scaled at random so that none is special; (runs, rows, columns) each."""
        rng = np.random.default_rng([runs, seed])
        kinds = [kind for _, kind in leaves(self.layer.kinds)]
        trees = [self.layer.init(np.random.default_rng([run, seed])) for run in range(runs)]
        columns = zip(*([leaf for _, leaf in leaves(tree)] for tree in trees), strict=True)
        changed = (
            np.stack(column) * (1.0 if kind == "state" else rng.uniform(0.5, 1.5, (runs, *column[0].shape)))
            for kind, column in zip(kinds, columns, strict=True)
        )
        return map_leaves(lambda _: next(changed), trees[0])

    def inputs(self, runs: int, batch: int = 6, known: int = 0) -> Inputs:
        """Random ones: numbers on both sides of all edges, codes from ``known`` on."""
        rng = np.random.default_rng([runs, batch])
        codes = [rng.integers(known, size, (runs, batch)) for size in self.widths.codes]
        return Inputs(1.5 * rng.normal(size=(runs, batch, self.widths.numbers)), np.stack(codes, -1).astype(np.int32))

    def upstream(self, runs: int, batch: int = 6) -> Floats:
        """Random derivatives by the output."""
        rows = batch * self.layer.repeats
        return np.random.default_rng([runs, batch, 1]).normal(size=(runs, rows, self.layer.width))


def passes(ops: Any, layer: Layer, parameters: Tree, x: Inputs, upstream: Any, divisor: Any = 1) -> tuple[Any, ...]:
    """(y, the derivative by the numbers, the gradients)."""
    y, residuals = layer.forward(ops, parameters, x, ())
    y = ops.xp.asarray(y, copy=True)
    back, factors = layer.backward(ops, parameters, residuals, upstream, True)
    return y, back, layer.gradients(ops, factors, divisor)


def _embedding(parameters: Any, numbers: Any, codes: Any, sizes: tuple[int, ...] = (3, 4, 6)) -> Any:
    import torch

    tables = torch.split(parameters.rows, sizes)
    rows = [torch.nn.functional.embedding(codes[:, j], table, padding_idx=0) for j, table in enumerate(tables)]
    return torch.cat(rows, dim=-1)


def _one_hot(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    first, last = (torch.nn.functional.one_hot(codes[:, j], size)[:, 1:] for j, size in ((0, 3), (2, 6)))
    two = torch.stack([1 * (codes[:, 1] == 1), 1 * (codes[:, 1] == 3) - 1 * (codes[:, 1] == 2)], dim=-1)
    return torch.cat([first, two, last], dim=-1).to(numbers.dtype)


def _periodic(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    waves, parts = parameters.phases.shape[-1], []
    for feature in range(numbers.shape[-1]):
        turns = numbers[:, feature, None] * parameters.frequencies[feature]
        weights = parameters.weights[feature * waves : (feature + 1) * waves]
        parts.append(torch.cos(2 * math.pi * turns + parameters.phases[feature]) @ weights + parameters.biases[feature])
    return torch.cat(parts, dim=-1)


EDGES = [[-1.0, 0.0, 0.5, 2.0], [-0.5, 0.5], [-2.0, 1.0, 1.5]]


def _piecewise_linear(parameters: Any, numbers: Any, codes: Any) -> Any:
    """Equation 1 of Gorishniy, Rubachev and Babenko, bin by bin, but held one width beyond the edges."""
    import torch

    most, parts = max(map(len, EDGES)) - 1, []
    for feature, edges in enumerate(EDGES):
        x, y = numbers[:, feature], parameters.biases[feature]
        for index, (begin, end) in enumerate(itertools.pairwise(edges)):
            filled = ((x - begin) / (end - begin)).clip(-BEYOND, 1 + BEYOND)
            if index > 0:
                filled = torch.where(x < begin, 0.0, filled)
            if index < len(edges) - 2:
                filled = torch.where(x >= end, 1.0, filled)
            y = y + filled[:, None] * parameters.weights[feature * most + index]
        parts.append(y)
    return torch.cat(parts, dim=-1)


def _adapters(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    weights, inputs, outputs, biases = parameters
    rows = torch.chunk(numbers, len(inputs))
    return torch.cat([((x * r) @ weights) * s + b for x, r, s, b in zip(rows, inputs, outputs, biases, strict=True)])


def _normalisation(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    scales, biases = (parameter[0] for parameter in parameters)
    return torch.nn.functional.layer_norm(numbers, numbers.shape[-1:], scales, biases, 0.01)


def _parametric(alpha: Any, numbers: Any, codes: Any) -> Any:
    import torch

    return numbers + alpha * (torch.nn.functional.mish(numbers) - numbers)


def _prelu(alpha: Any, numbers: Any, codes: Any) -> Any:
    import torch

    return torch.nn.functional.prelu(numbers, (1 - alpha)[0])


def _first_layers(parameters: Any, numbers: Any, codes: Any) -> Any:
    """As `beside` joins them: one-hot columns, embedded ones, numbers and their waves."""
    import torch

    (hot, embedded), waves = parameters[0], parameters[1][0]
    some = _one_hot(hot, numbers, codes)[:, :4]
    rows = _embedding(embedded, numbers, codes[:, 2:], (6,))
    return torch.cat([some, rows, numbers, _periodic(waves, numbers, codes)], dim=-1)


def _ensemble(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    scales, normal, first, second = parameters
    x = _normalisation(normal[0], numbers * scales.scales, codes) + numbers * scales.scales
    return _adapters(second, torch.tanh(_adapters(first, torch.cat([x, x, x]), codes)), codes)


def _vote(parameters: Any, numbers: Any, codes: Any) -> Any:
    import torch

    first, second = (numbers * member[0].scales for member in parameters)
    return torch.cat([torch.tanh(first), torch.tanh(second)])


ROOT = math.sqrt(3)

CASES: dict[str, LayerCase] = {
    "scaling": LayerCase(
        scaling(),
        lambda parameters, numbers, codes: numbers * parameters.scales,
        Worked(
            scaling(), Widths(2), ScalingParameters([[2, -1]]), [[3, 4], [1, 0.5]], None, [[6, -4], [2, -0.5]],
            [[1, 10], [2, -2]], [[2, -10], [4, 2]], ScalingParameters([[5, 39]]),
        ),
    ),
    "normalisation": LayerCase(
        normalisation(0.01),
        _normalisation,
        # mean 2, variance 1 and epsilon 3: (x - 2) / 2
        Worked(
            normalisation(3.0), Widths(2), NormalisationParameters([[2, 4]], [[1, -1]]), [[1, 3]], None, [[0, 1]],
            [[1, 1]], [[-0.375, 0.375]], NormalisationParameters([[-0.5, 0.5]], [[1, 1]]),
        ),
    ),
    "embedding": LayerCase(
        embedding(2),
        _embedding,
        Worked(
            embedding(2), Widths(0, (3, 4)),
            EmbeddingParameters([[0, 0], [1, 2], [3, 4], [0, 0], [5, 6], [7, 8], [9, 10]]),
            [[], [], []], [[2, 0], [1, 3], [2, 3]], [[3, 4, 0, 0], [1, 2, 9, 10], [3, 4, 9, 10]],
            [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], None,
            EmbeddingParameters([[0, 0], [5, 6], [10, 12], [0, 0], [0, 0], [0, 0], [18, 20]]),
        ),
    ),
    "one_hot": LayerCase(
        one_hot(),
        _one_hot,
        Worked(
            one_hot(), Widths(0, (3, 4)),
            OneHotParameters([[1, 1, 0, 0], [0, 0, 1, 1]], [[1, 2, 1, 3]], [[-1, -1, -1, 2]]),
            [[], [], [], []], [[0, 0], [1, 3], [2, 2], [2, 1]],
            [[0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, -1], [0, 1, 1, 0]], [[1, 2, 3, 4]] * 4, None,
            OneHotParameters([[1, 1, 0, 0], [0, 0, 1, 1]], [[1, 2, 1, 3]], [[-1, -1, -1, 2]]),
        ),
    ),
    "periodic": LayerCase(
        periodic(waves=4, width=2, deviation=0.3, joined=False),
        _periodic,
        # a third of half a turn is 60 degrees, of which the cosine is 1/2; a quarter of a turn, and one more, is half
        Worked(
            periodic(waves=1, width=1, joined=False), Widths(2),
            PeriodicParameters([[0.5], [1]], [[0], [math.pi / 2]], [[2], [4]], [[1], [0]]),
            [[1 / 3, 0.25]], None, [[2, -4]], [[3, 1]], [[-3 * ROOT * math.pi, 0]],
            PeriodicParameters([[-2 * math.pi * ROOT], [0]], [[-3 * ROOT], [0]], [[1.5], [-1]], [[3], [1]]),
        ),
    ),
    "piecewise_linear": LayerCase(
        piecewise_linear(EDGES, 2),
        _piecewise_linear,
        # bins 0..1 and 1..3 are filled by 2 to 1 and 1/2, by -1/2 to -1/2 and 0; bin 0..2 by 1 to 1/2 and by 5 to 2
        Worked(
            piecewise_linear([[0, 1, 3], [0, 2]], 1), Widths(2),
            PiecewiseParameters(
                Bins([[0, 1], [0, 0]], [[1, 0.5], [0.5, 0]], [[-1, 0]] * 2, [[1, 2], [2, 0]]),
                [[2], [4], [3], [7]], [[1], [-1]],
            ),
            [[2, 1], [-0.5, 5]], None, [[5, 0.5], [0, 5]], [[1, 2], [1, 1]], [[2, 3], [2, 0]],
            PiecewiseParameters(
                Bins([[0, 1], [0, 0]], [[1, 0.5], [0.5, 0]], [[-1, 0]] * 2, [[1, 2], [2, 0]]),
                [[0.5], [0.5], [3], [0]], [[2], [3]],
            ),
        ),
    ),
    "repeat": LayerCase(
        repeat(3),
        lambda parameters, numbers, codes: numbers.repeat(3, 1),
        Worked(
            repeat(2), Widths(2), (), [[1, 2], [3, 4]], None, [[1, 2], [3, 4], [1, 2], [3, 4]],
            [[1, 1], [2, 2], [3, 3], [4, 4]], [[4, 4], [6, 6]], (),
        ),
    ),
    "adapters": LayerCase(
        adapters(4, members=3, random=True),
        _adapters,
        Worked(
            adapters(1, members=2), Widths(2),
            AdapterParameters([[1], [2]], [[1, 1], [-1, 3]], [[2], [-1]], [[1], [0.5]]),
            [[1, 2], [1, 2]], None, [[11], [-10.5]], [[1], [2]], [[2, 4], [2, -12]],
            AdapterParameters([[4], [-8]], [[2, 8], [-2, -8]], [[5], [22]], [[1], [2]]),
        ),
    ),
    "parametric": LayerCase(
        parametric("mish"),
        _parametric,
        # the sigmoid and its derivative at 0 are 1/2 and 1/4: alpha / 2 forward, 1 - 3/4 alpha back
        Worked(
            parametric("sigmoid"), Widths(2), [[2, 4]], [[0, 0], [0, 0]], None, [[1, 2], [1, 2]],
            [[1, 2], [3, 4]], [[-0.5, -4], [-1.5, -8]], [[2, 3]],
        ),
    ),
    "prelu": LayerCase(
        prelu(),
        _prelu,
        # the slopes below 0 are 1/4 and 1/2
        Worked(
            prelu(), Widths(2), [[0.75, 0.5]], [[-4, 2], [2, -4]], None, [[-1, 2], [2, -2]],
            [[2, 3], [4, 5]], [[0.5, 3], [4, 2.5]], [[8, 20]],
        ),
    ),
    "vote": LayerCase(
        vote(chain(scaling(), activation("tanh")), chain(scaling(), activation("tanh"))),
        _vote,
        Worked(
            vote(scaling(), scaling()), Widths(2), (ScalingParameters([[2, -1]]), ScalingParameters([[3, 1]])),
            [[3, 4], [1, 0.5]], None, [[6, -4], [2, -0.5], [9, 4], [3, 0.5]],
            [[1, 10], [2, -2], [1, 1], [0, 2]], [[5, -9], [4, 4]],
            (ScalingParameters([[5, 39]]), ScalingParameters([[3, 5]])),
        ),
    ),
    "add": LayerCase(
        add(chain(scaling(), activation("tanh")), scaling()),
        lambda parameters, numbers, codes: (
            (numbers * parameters[0][0].scales).tanh() + numbers * parameters[1].scales
        ),
        Worked(
            add(scaling(), scaling()), Widths(2), (ScalingParameters([[2, -1]]), ScalingParameters([[3, 1]])),
            [[3, 4], [1, 0.5]], None, [[15, 0], [5, 0]],
            [[1, 10], [2, -2]], [[5, 0], [10, 0]],
            (ScalingParameters([[5, 39]]), ScalingParameters([[5, 39]])),
        ),
    ),
    "first layers": LayerCase(beside(categories(3, 2), periodic(waves=4, width=2)), _first_layers, None),
    "ensemble": LayerCase(
        chain(
            scaling(), plus(normalisation(0.01)), repeat(3), adapters(4, 3, random=True), activation("tanh"),
            adapters(2, 3),
        ),
        _ensemble,
        None,
    ),
}  # fmt: skip
