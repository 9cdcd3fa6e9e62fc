"""Layers made of layers: one after another, side by side, a skip, and a vote."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from xpmlp._typing import Array
from xpmlp.nn.layer import Draw, Layer, LayerMaker, SentBack, Tree, Widths, copied, numbers_of, sparing, width_of
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np


class _Members:
    """Layers of a joined one; their parameters form a list in which layers without parameters have no place."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self.trained = [layer for layer in self.layers if layer.slots != ()]
        self.silence: list[Tree] = [()] * len(self.layers)

    def init(self, generator: np.random.Generator) -> list[Tree]:
        return [layer.init(generator) for layer in self.trained]

    @property
    def slots(self) -> Tree:
        return [layer.slots for layer in self.trained] or ()

    def spread(self, trees: Sequence[Tree]) -> list[Tree]:
        """Return the tree of each layer; ``()`` for one without parameters."""
        found = iter(trees)
        return [() if layer.slots == () else next(found) for layer in self.layers]

    def gathered(self, trees: Sequence[Tree]) -> list[Tree]:
        """Return the trees of the layers that have parameters."""
        return [tree for layer, tree in zip(self.layers, trees, strict=True) if layer.slots != ()]

    def gradients(self, ops: Ops, factors: Sequence[Tree], divisor: Any) -> list[Tree]:
        return [layer.gradients(ops, own, divisor) for layer, own in zip(self.trained, factors, strict=True)]

    def descend(self, ops: Ops, parameters: Sequence[Tree], factors: Sequence[Tree], scale: Array) -> list[Tree]:
        members = zip(self.trained, parameters, factors, strict=True)
        return [layer.descend(ops, own, factor, scale) for layer, own, factor in members]

    def draw(self, ops: Ops, draw: Draw, stream: int, in_turn: bool) -> list[Tree]:
        """``in_turn``: whether each layer's input is the output of the one before."""
        noises = []
        for layer in self.layers:
            noises.append(layer.draw(ops, draw, stream) if layer.streams else ())
            stream += layer.streams
            if in_turn and layer.repeats > 1:
                draw = draw._replace(batch=draw.batch * layer.repeats)
        return noises

    def fit(
        self, ops: Ops, generator: np.random.Generator, parameters: Sequence[Tree], x: Any, in_turn: bool
    ) -> list[Tree]:
        fitted = []
        for layer, own in zip(self.layers, self.spread(parameters), strict=True):
            fitted.append(own if layer.fit is None else layer.fit(ops, generator, own, x))
            if in_turn:
                x, _ = sparing(layer).forward(ops, fitted[-1], x, ())
        return self.gathered(fitted)

    @property
    def places(self) -> list[int]:
        """Index of each layer's parameters in the list of all; -1, the last place, for a layer without."""
        places = itertools.count()
        return [-1 if layer.slots == () else next(places) for layer in self.layers]


def chain(*makers: LayerMaker) -> LayerMaker:
    """Apply one layer after another."""

    def make(widths: Widths | int) -> Layer:
        layers: list[Layer] = []
        for maker in makers:
            layer = maker(layers[-1].width if layers else widths)
            layers.append(sparing(layer) if layers and not layers[-1].fresh else layer)
        return _chained(_Members(layers), width_of(widths))

    return make


def _chained(members: _Members, n_in: int) -> Layer:
    """Build a chain for an input of width ``n_in``."""
    layers, places = members.layers, members.places
    forwards = [(layer.forward, place) for layer, place in zip(layers, places, strict=True)]
    backwards = [(number, layers[number].backward, place) for number, place in enumerate(places)][::-1]
    first_trained = places.index(0) if 0 in places else 0
    needed_backwards = backwards[: len(layers) - first_trained]

    def forward(ops: Ops, parameters: Sequence[Tree], x: Any, noise: Tree) -> tuple[Array, list[Tree]]:
        residuals, own = [], [*parameters, ()]
        for (run, place), drawn in zip(forwards, noise or members.silence, strict=True):
            x, kept = run(ops, own[place], x, drawn)
            residuals.append(kept)
        return numbers_of(x), residuals

    def backward(ops: Ops, parameters: Sequence[Tree], residuals: Tree, upstream: Any, wanted: bool) -> SentBack:
        factors, own = [*parameters, ()], [*parameters, ()]
        for number, run, place in backwards if wanted else needed_backwards:
            needed = wanted or number > first_trained
            upstream, factors[place] = run(ops, own[place], residuals[number], upstream, needed)
        return upstream, factors[:-1]

    ends: dict[str, Any] = {"overwrites": layers[0].overwrites, "fresh": layers[-1].fresh} if layers else {}
    return _joined("chain", members, layers, layers[-1].width if layers else n_in, forward, backward)._replace(**ends)


def beside(*makers: LayerMaker) -> LayerMaker:
    """Apply layers side by side to the same input, and concatenate their outputs."""

    def make(widths: Widths | int) -> Layer:
        made = [maker(widths) for maker in makers]
        layers = [layer for layer in made if layer.width] or made[:1]  # nothing to do, nothing kept
        ends = [*itertools.accumulate((layer.width for layer in layers), initial=0)]

        def parts(upstream: Array) -> list[Array]:
            return [copied(upstream[..., begin:end]) for begin, end in itertools.pairwise(ends)]

        return _parallel(
            "beside", layers, layers, ends[-1], lambda ops, outputs: ops.xp.concat(outputs, axis=-1), parts
        )

    return make


def add(*makers: LayerMaker) -> LayerMaker:
    """Apply layers side by side to the same input, and add their outputs, of equal width.

    Raises
    ------
    ValueError
        If the layers' widths differ.
    """

    def make(widths: Widths | int) -> Layer:
        layers = [maker(widths) for maker in makers]
        width, *others = {layer.width: None for layer in layers}
        if others:
            raise ValueError(f"outputs of {width} and of {others[0]} numbers are added: make them as many.")
        return _parallel("add", layers, layers, width, _added, lambda upstream: [copied(upstream) for _ in layers])

    return make


def plus(maker: LayerMaker) -> LayerMaker:
    """A layer with a skip connection: ``x + layer(x)``, of unchanged width.

    Raises
    ------
    ValueError
        If the layer's width differs from its input's.

    References
    ----------
    He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    def make(widths: Widths | int) -> Layer:
        layer, width = maker(widths), width_of(widths)
        if layer.width != width:
            raise ValueError(f"a skip adds {width} inputs to {layer.width} outputs: make them as many.")
        skip = Layer.of("skip", {}, width, (), _skipped, _skipped_backward)
        return _parallel("plus", [skip, layer], [layer], width, _sum, lambda upstream: [upstream, copied(upstream)])

    return make


def vote(*makers: LayerMaker) -> LayerMaker:
    """The members of an ensemble, each with its own weights; their outputs are stacked as rows.

    As after `repeat`, the prediction for an example is the mean of the members' predictions.

    Raises
    ------
    ValueError
        If the members have outputs of different widths.
    """

    def make(widths: Widths | int) -> Layer:
        layers = [maker(widths) for maker in makers]
        width, *others = {layer.width: None for layer in layers}
        if others:
            raise ValueError(f"the members of a vote have {width} and {others[0]} outputs: make them alike.")

        def parts(upstream: Array) -> list[Array]:
            rows = upstream.shape[-2] // len(layers)
            return [copied(upstream[..., first * rows : (first + 1) * rows, :]) for first in range(len(layers))]

        layer = _parallel("vote", layers, layers, width, lambda ops, outputs: ops.xp.concat(outputs, axis=-2), parts)
        return layer._replace(repeats=layer.repeats * len(layers))

    return make


def _skipped(ops: Ops, parameters: Tree, x: Any, noise: Tree) -> tuple[Array, Tree]:
    return numbers_of(x), ()


def _skipped_backward(ops: Ops, parameters: Tree, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
    return upstream if wanted else None, ()


def _added(ops: Ops, outputs: Sequence[Array]) -> Array:
    return _sum(ops, outputs) if len(outputs) > 1 else copied(outputs[0])


def _sum(ops: Ops, outputs: Sequence[Array]) -> Array:
    return functools.reduce(operator.add, outputs)


def _parallel(
    name: str,
    layers: Sequence[Layer],
    described: Sequence[Layer],
    width: int,
    join: Callable[[Ops, Sequence[Array]], Array],
    parts: Callable[[Array], list[Array]],
) -> Layer:
    """Build a layer of parallel layers: ``join`` combines their outputs, ``parts`` returns the derivative for each.

    Raises
    ------
    ValueError
        If they make different numbers of rows.
    """
    repeats, *others = {layer.repeats: None for layer in layers}
    if others:
        raise ValueError(f"layers side by side make {repeats} and {others[0]} rows of each example: make them alike.")
    members = _Members([sparing(layer) for layer in layers])

    def forward(ops: Ops, parameters: Sequence[Tree], x: Any, noise: Tree) -> tuple[Array, list[Tree]]:
        every = zip(members.layers, members.spread(parameters), noise or members.silence, strict=True)
        passes = [layer.forward(ops, own, x, drawn) for layer, own, drawn in every]
        return join(ops, [y for y, _ in passes]), [kept for _, kept in passes]

    def backward(ops: Ops, parameters: Sequence[Tree], residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
        every = zip(members.layers, members.spread(parameters), residuals, parts(upstream), strict=True)
        passes = [layer.backward(ops, own, kept, part, wanted) for layer, own, kept, part in every]
        sent = [back for back, _ in passes if back is not None]
        return _sum(ops, sent) if sent else None, members.gathered([factors for _, factors in passes])

    return _joined(name, members, described, width, forward, backward)._replace(fresh=True)


def _product(rows: int, repeats: int) -> int:
    """Multiply rows by repeats, up to the largest size: a file from a stranger may repeat them without end."""
    return min(rows * repeats, sys.maxsize)


def _joined(name: str, members: _Members, described: Sequence[Layer], width: int, forward: Any, backward: Any) -> Layer:
    in_turn = name == "chain"
    counts = itertools.accumulate([1, *(layer.repeats for layer in members.layers)], _product if in_turn else max)
    *rows_before, repeats = counts
    needs = (
        layer.members // math.gcd(layer.members, rows if in_turn else 1)
        for layer, rows in zip(members.layers, rows_before, strict=True)
    )
    return Layer(
        name,
        {"layers": [{"kind": layer.name, **layer.settings} for layer in described]},
        width,
        members.init,
        members.slots,
        forward,
        backward,
        members.gradients,
        members.descend,
        partial(members.draw, in_turn=in_turn),
        sum(layer.streams for layer in members.layers),
        sum(layer.drawn * rows for layer, rows in zip(members.layers, rows_before, strict=True)),
        repeats,
        functools.reduce(lambda some, more: min(math.lcm(some, more), sys.maxsize), needs, 1),
        partial(members.fit, in_turn=in_turn) if any(layer.fit for layer in members.layers) else None,
        within=sum(
            (layer.within + layer.width) * rows for layer, rows in zip(members.layers, rows_before, strict=True)
        ),
    )
