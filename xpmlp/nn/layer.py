"""A layer: a record of pure functions over parameters of its own.

Shapes have the runs axis in front, ``(runs, batch, n)``; a network without one, ``(batch, n)``, computes the same.
`xpmlp.nn.layers` joins layers by `chain` (in turn), `beside` (outputs concatenated), `add` (outputs summed), `plus` (a
skip) and `vote` (outputs stacked as rows, whose predictions are averaged), which are layers, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np

Tree = Any
"""Nested NamedTuples, tuples and lists of arrays; ``()`` where there are none."""


SentBack = tuple[Array | None, Tree]
"""Result of a backward pass: derivative with respect to the input, or ``None``, and factors of the gradients."""


class Inputs(NamedTuple):
    """Input batch of a first layer.

    Attributes
    ----------
    numbers : (runs, batch, n)
    codes : (runs, batch, columns), int32, optional
        Codes of categories: 0 for one never seen in training, 1 for a missing one.
    """

    numbers: Array
    codes: Array | None = None


class Widths(NamedTuple):
    """The sizes of `Inputs`.

    Attributes
    ----------
    numbers : int
    codes : tuple of int
        The number of codes of each column.
    """

    numbers: int
    codes: tuple[int, ...] = ()


class Draw(NamedTuple):
    """Arguments of the random numbers in a training step; see `xpmlp.nn.layers.dropout`.

    Attributes
    ----------
    seeds : (runs, 1), int32
        Seed of each run.
    steps : (steps, 1, 1), int32
        The steps' numbers since the beginning of the training; without a runs axis (steps, 1), as ``seeds`` (1,).
    batch : int
    dtype : dtype
        Dtype of the result.
    parts : (steps, runs, 1), int32, optional
        Part of the dropout rate in each step, out of `xpmlp.nn.dropout.WHOLE`; the full rate if not given.
    """

    seeds: Array
    steps: Array
    batch: int
    dtype: Any
    parts: Array | None = None


KINDS = (
    *("weights", "biases", "scales", "alphas", "adapters", "embeddings"),
    *("frequencies", "phases", "embedding_weights", "embedding_biases"),
)
"""Kinds of the trained parameters of this package's layers."""


@dataclass(frozen=True)
class Slot:
    """Kind and shape of a parameter, before it has values.

    Attributes
    ----------
    kind : str
        "weights", "biases", "scales" and so on, by which decay and learning rates may differ.  A parameter of kind
        "state" is not trained: its entry in `Layer.gradients` is its new value.
    rows, columns : int
        Its shape, (rows, columns).
    begins : float or (generator) -> array
        Its initial value: one number for all entries, or a host array (rows, columns) of float64.  Ignored in
        comparisons.
    """

    kind: str
    rows: int
    columns: int
    begins: float | Callable[[np.random.Generator], Any] = field(default=0.0, compare=False)


class Layer(NamedTuple):
    """A layer for inputs of known widths.

    Attributes
    ----------
    name : str
        A key of `xpmlp.nn.layers.layers`.
    settings : dict
        Its maker's arguments, of JSON types, which recreate the layer.
    width : int
        Width of its output.
    init : (generator) -> parameters
        Host arrays of float64, each a matrix (rows, columns).
    slots : tree of Slot
        The slot of each parameter, in the structure of the parameters.
    forward : (ops, parameters, x, noise) -> (y, residuals)
        ``x`` (runs, batch, n) or `Inputs`; ``y`` (runs, batch, width); ``residuals`` are kept for `backward`.
        ``noise`` is the result of `draw` in training; ``()`` in evaluation, and for a layer that draws nothing.
    backward : (ops, parameters, residuals, upstream, wanted) -> (downstream, factors)
        From the derivative with respect to ``y``, which may be overwritten, to that with respect to ``x``, or ``None``
        if it is not ``wanted``; and the factors of the gradients, per example and unscaled.
    gradients : (ops, factors, divisor) -> gradients
        In the structure of the parameters: sums over the batch divided by ``divisor``, the batch size or the sum of the
        weights.
    descend : (ops, parameters, factors, scale) -> parameters
        ``parameters + scale * gradients`` with a divisor of 1, without forming the gradients if that can be avoided;
        ``scale`` ([runs,] 1, 1), negative to descend.  The defaults of ``gradients`` and ``descend`` are for layers
        without parameters; `Layer.of` derives ``init`` and ``descend`` for others.
    draw : (ops, draw, stream) -> noise
        Random numbers for many steps, each with the axis of steps in front; a step takes one index of them.  ``stream``
        is the first of the layer's streams.
    streams : int
        Number of streams of random numbers that it draws; with 0, ``draw`` is not called.
    drawn : int
        Number of random numbers that it draws for an example.
    repeats : int
        Rows of its output for each row of its input; see `xpmlp.nn.layers.repeat`.
    members : int
        Number of members among which it divides its rows; each example needs a multiple of it.
    fit : (ops, generator, parameters, x) -> parameters, optional
        Initial values that depend on the data: ``parameters`` are those of `init`, ``x`` an input with some rows of the
        training part, ``(batch, n)``; host arrays of float64, all of them, and ``ops`` of NumPy.
    overwrites : bool
        Whether `forward` may overwrite ``x``.
    fresh : bool
        Whether ``y`` has memory of its own, shared neither with ``x`` nor with the residuals, so that the next layer
        may overwrite it without a copy.
    within : int
        Number of values that it computes for an example besides its output, for the estimate of memory.
    """

    name: str
    settings: dict[str, Any]
    width: int
    init: Callable[[np.random.Generator], Tree]
    slots: Tree
    forward: Callable[[Ops, Tree, Any, Tree], tuple[Array, Tree]]
    backward: Callable[[Ops, Tree, Tree, Array, bool], SentBack]
    gradients: Callable[[Ops, Tree, Any], Tree] = lambda ops, factors, divisor: ()
    descend: Callable[[Ops, Tree, Tree, Array], Tree] = lambda ops, parameters, factors, scale: ()
    draw: Callable[[Ops, Draw, int], Tree] = lambda ops, draw, stream: ()
    streams: int = 0
    drawn: int = 0
    repeats: int = 1
    members: int = 1
    fit: Callable[[Ops, np.random.Generator, Tree, Any], Tree] | None = None
    overwrites: bool = False
    fresh: bool = False
    within: int = 0

    @classmethod
    def of(
        cls,
        name: str,
        settings: dict[str, Any],
        width: int,
        slots: Tree,
        forward: Callable[[Ops, Tree, Any, Tree], tuple[Array, Tree]],
        backward: Callable[[Ops, Tree, Tree, Array, bool], SentBack],
        gradients: Callable[[Ops, Tree, Any], Tree] = lambda ops, factors, divisor: (),
        **others: Any,
    ) -> Layer:
        """Build a layer whose parameters begin as their slots specify, and whose gradients are not products of factors.

        Parameters
        ----------
        name, settings, width, slots, forward, backward, gradients
            See the attributes; without parameters ``slots`` are ``()``, and there are no ``gradients``.
        **others
            Further attributes.
        """
        init, descend = partial(first_values, slots), descend_by(gradients, slots)
        return cls(name, settings, width, init, slots, forward, backward, gradients, descend)._replace(**others)

    @property
    def kinds(self) -> Tree:
        """Kinds of the parameters, in their structure."""
        return map_leaves(lambda slot: slot.kind, self.slots)


LayerMaker = Callable[[Widths | int], Layer]
"""(widths of the input) -> layer, for the `Inputs` of a first layer or the output of the layer before."""


def numbers_of(x: Any) -> Array:
    """Return the numbers of `Inputs`, or an array as it is."""
    return x.numbers if isinstance(x, Inputs) else x


def copied(x: Array) -> Array:
    """Copy an array, so that it may be overwritten; by a product, since compiled steps know that."""
    return x * 1


def width_of(widths: Widths | int) -> int:
    """Return the width of an input's numbers."""
    return widths if isinstance(widths, int) else widths.numbers


def first_values(slots: Tree, generator: np.random.Generator) -> Tree:
    """Build the parameters from their slots: host arrays (rows, columns) of float64, drawn in slot order."""
    import numpy as np

    def first(slot: Slot) -> Any:
        return (
            slot.begins(generator) if callable(slot.begins) else np.full((slot.rows, slot.columns), slot.begins, float)
        )

    return map_leaves(first, slots)


def sparing(layer: Layer) -> Layer:
    """Return a layer that leaves its input unchanged: the same one, or one that overwrites a copy."""
    if not layer.overwrites:
        return layer

    def forward(ops: Ops, parameters: Tree, x: Any, noise: Tree) -> tuple[Array, Tree]:
        return layer.forward(ops, parameters, copied(numbers_of(x)), noise)

    return layer._replace(forward=forward, overwrites=False)


def descend_by(
    gradients: Callable[[Ops, Tree, Any], Tree], slots: Tree = ()
) -> Callable[[Ops, Tree, Tree, Array], Tree]:
    """Build `Layer.descend` for a layer whose gradients are not products of factors; ``slots`` if some are "state"."""
    states = {name for name, slot in leaves(slots) if slot.kind == "state"}

    def descend(ops: Ops, parameters: Tree, factors: Tree, scale: Array) -> Tree:
        slopes = leaves(gradients(ops, factors, 1))

        def moved(parameter: Array) -> Array:
            name, slope = next(slopes)
            return slope if name in states else parameter + scale * slope

        return map_leaves(moved, parameters)

    return descend


def sum_over_batch(ops: Ops, array: Array) -> Array:
    """([runs,] batch, n) -> ([runs,] 1, n)."""
    return ops.sum_over_batch(array)
