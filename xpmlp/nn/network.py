"""Networks: a description of layers that can be compared and saved, and the layers built from it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from xpmlp._tree import leaves
from xpmlp.initializers import initializers
from xpmlp.nn.layer import Layer, LayerMaker, Widths, sparing
from xpmlp.nn.layers import chain, layers
from xpmlp.nn.losses import Loss


class LayerSpec(NamedTuple):
    """A layer, described by hashable values.

    Attributes
    ----------
    kind : str
        A key of `xpmlp.nn.layers.layers`.
    settings : tuple of (str, value)
        The arguments of its maker.
    members : tuple of LayerSpec
        The layers that it joins.

    Examples
    --------
    >>> LayerSpec("dense", (("units", 20),)).maker()(4).width
    20
    """

    kind: str
    settings: tuple[tuple[str, Any], ...] = ()
    members: tuple[LayerSpec, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> LayerSpec:
        """Build from a table of JSON types: ``{"kind": "dense", "units": 30}``, with joined layers in ``layers``."""
        settings = {name: value for name, value in table.items() if name not in ("kind", "layers")}
        frozen = tuple((name, _frozen(value)) for name, value in settings.items())
        return cls(table["kind"], frozen, tuple(map(cls.of, table.get("layers", ()))))

    def table(self) -> dict[str, Any]:
        """Return the description as the table that `of` takes."""
        joined = {"layers": [member.table() for member in self.members]} if self.members else {}
        return {"kind": self.kind, **{name: _thawed(value) for name, value in self.settings}, **joined}

    def maker(self) -> LayerMaker:
        """Return the maker of the layer.

        Raises
        ------
        KeyError
            If there is no such kind of layer.
        TypeError, ValueError
            If it does not take these settings.
        """
        made: LayerMaker = layers[self.kind](*(member.maker() for member in self.members), **dict(self.settings))
        return made


def mlp(
    units: Sequence[int],
    activations: Sequence[str],
    dropout: Sequence[float] = (),
    init: str = "glorot_uniform",
    init_scale: float = 0.01,
) -> LayerSpec:
    """Describe a multilayer perceptron: dense layers, an activation after each but the last, and dropout after that.

    Parameters
    ----------
    units : sequence of int
        Width of each dense layer, the output's included.
    activations : sequence of str
        One fewer than there are dense layers.
    dropout : sequence of float, optional
        The part of each hidden layer's units that is dropped in training.
    init : str
        How weights are drawn: a key of `xpmlp.initializers.initializers`.
    init_scale : float
        The standard deviation of ``normal``.

    Examples
    --------
    >>> [layer.kind for layer in mlp([20, 3], ["tanh"]).members]
    ['dense', 'activation', 'dense']
    """
    hidden = []
    drawn = (("init", init), *((("init_scale", init_scale),) if init == "normal" else ()))
    rates = [0.0] * len(activations) if not any(dropout) else dropout
    for width, activation, rate in zip(units[:-1], activations, rates, strict=True):
        hidden += [LayerSpec("dense", (("units", width), *drawn)), LayerSpec("activation", (("name", activation),))]
        if any(rates):
            hidden.append(LayerSpec("dropout", (("rate", rate),)))
    return LayerSpec("chain", (), (*hidden, LayerSpec("dense", (("units", units[-1]), *drawn))))


class Network(NamedTuple):
    """A network without its parameters; equal ones are the same program.

    Attributes
    ----------
    layers : LayerSpec
    widths : Widths
        Widths of its inputs.
    loss : Loss
        With its parameters.
    input_scale : float
        Factor on numbers after their conversion.
    """

    layers: LayerSpec
    widths: Widths
    loss: Loss
    input_scale: float = 1.0

    @property
    def root(self) -> Layer:
        """The network as one layer, which leaves its input unchanged."""
        return sparing(_built(self.layers, self.widths))

    @property
    def after_first(self) -> Layer | None:
        """All layers but the first, for a chain that begins with ``x @ weights + biases``; else ``None``."""
        return _after_first(self.layers, self.widths)

    @property
    def sizes(self) -> list[int]:
        """Widths of the input and of its layers in turn, without those that keep the width and have no "weights".

        Of layers side by side, those of the longest chain; its last width is that of all together.
        """
        return _sizes(self.layers, self.widths)

    @property
    def n_inputs(self) -> int:
        """Number of numbers and codes of an example."""
        return self.widths.numbers + len(self.widths.codes)

    @property
    def n_parameters(self) -> int:
        """Number of all parameters, untrained ones included."""
        return sum(slot.rows * slot.columns for _, slot in leaves(self.root.slots))

    @property
    def takes_codes(self) -> bool:
        """Whether it uses the codes of categories."""
        try:
            return bool(self._replace(widths=Widths(self.widths.numbers)).root.slots != self.root.slots)
        except ValueError:  # a layer of certain columns
            return True

    @property
    def n_outputs_within(self) -> int:
        """Total number of values that its layers with parameters compute for an example."""
        return _outputs_within(self.layers, self.widths, 1)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Activations, in their order."""
        return tuple(dict(one.settings)["name"] for one in specs_of(self.layers) if one.kind == "activation")

    @property
    def dropout(self) -> tuple[float, ...]:
        """Rates of its dropout layers, in their order."""
        return tuple(dict(one.settings)["rate"] for one in specs_of(self.layers) if one.kind == "dropout")


@functools.lru_cache(maxsize=256)
def _built(spec: LayerSpec, widths: Widths | int) -> Layer:
    return spec.maker()(widths)


@functools.lru_cache(maxsize=256)
def _after_first(spec: LayerSpec, widths: Widths) -> Layer | None:
    if spec.kind != "chain" or not spec.members or spec.members[0].kind != "dense":
        return None
    first = _built(spec.members[0], widths)
    if initializers[first.settings["init"]].forward_scale(widths.numbers) != 1:
        return None
    return chain(*(member.maker() for member in spec.members[1:]))(first.width)


def _sizes(spec: LayerSpec, widths: Widths | int) -> list[int]:
    """Compute `Network.sizes` of a layer."""
    sizes = [widths if isinstance(widths, int) else widths.numbers + len(widths.codes)]
    if spec.kind == "chain":
        for member in spec.members:
            sizes += _sizes(member, widths)[1:]
            widths = _built(member, widths).width
        return sizes
    layer = _built(spec, widths)
    longest = max((_sizes(member, widths) for member in spec.members), key=len, default=sizes)
    if len(longest) > 1:
        return [*longest[:-1], layer.width]
    has_weights = any(slot.kind == "weights" for _, slot in leaves(layer.slots))
    return [*sizes, layer.width] if layer.width != sizes[0] or has_weights else sizes


def _outputs_within(spec: LayerSpec, widths: Widths | int, rows: int) -> int:
    """Compute `Network.n_outputs_within` of a layer that takes this many rows of each example."""
    if not spec.members:
        layer = _built(spec, widths)
        return (layer.width * layer.repeats + layer.within) * rows if layer.slots != () else 0
    total = 0
    for member in spec.members:
        total += _outputs_within(member, widths, rows)
        if spec.kind == "chain":
            layer = _built(member, widths)
            widths, rows = layer.width, rows * layer.repeats
    return total


def specs_of(spec: LayerSpec) -> list[LayerSpec]:
    """Return a layer's description, and those of the layers that it joins."""
    return [spec, *(inner for member in spec.members for inner in specs_of(member))]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def _thawed(value: Any) -> Any:
    return list(map(_thawed, value)) if isinstance(value, tuple) else value
