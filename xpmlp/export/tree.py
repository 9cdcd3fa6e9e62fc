"""A saved network as a tree of layers with their parameters, the basis of every export format."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp._records import is_outside
from xpmlp.errors import XpmlpError
from xpmlp.initializers import initializers
from xpmlp.nn import LayerSpec, Network, losses
from xpmlp.nn.layer import Tree, Widths, width_of
from xpmlp.nn.layers.embedding import chosen_columns
from xpmlp.storage import SavedNetwork

JOINED = frozenset({"add", "beside", "chain", "plus", "vote"})

KINDS = JOINED | {
    *("activation", "adapters", "dense", "dropout", "embedding", "normalisation", "one_hot", "parametric", "periodic"),
    *("piecewise_linear", "repeat", "scaling"),
}
"""Layers that can be exported; all others of the package are composed of them."""


class NotExportableError(XpmlpError):
    """A network that cannot be written in another format; the message gives the reason."""


class LayerNode(NamedTuple):
    """A layer of a network.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    settings : dict
        Its maker's settings; for a dense layer also ``scale``, a factor on its input; for an embedding the ``columns``
        of codes that it takes, and ``firsts``, the first row of each column's table.
    parameters : tree of (rows, columns)
        On the host; ``()`` for a layer without parameters of its own.
    layers : tuple of LayerNode
        The layers that it joins.
    """

    kind: str
    settings: dict[str, Any]
    parameters: Tree
    layers: tuple[LayerNode, ...] = ()


def layer_tree(network: Network, parameters: Tree) -> LayerNode:
    """Return a network's layers as they are computed, with their parameters.

    Raises
    ------
    NotExportableError
        If a layer or an activation is from outside the package.
    """
    root = network.root
    return _node(LayerSpec.of({"kind": root.name, **root.settings}), network.widths, parameters)


def output_transform(saved: SavedNetwork) -> str:
    """Return the name of the function from logits to predictions: identity, exp, logistic or softmax.

    Raises
    ------
    NotExportableError
        If the loss is from outside the package, with a function that no loss of the package has.
    """
    loss = saved.network.loss
    if loss.transform not in {one.transform for one in losses.values()}:
        raise NotExportableError(f"the loss {loss.name!r} is from outside of the package")
    return loss.out_activation


def _node(spec: LayerSpec, widths: Widths | int, parameters: Tree) -> LayerNode:
    settings = dict(spec.settings)
    if spec.kind not in KINDS:
        raise NotExportableError(f"the layer {spec.kind!r} is from outside of the package")
    if is_outside(settings.get("name", "")):
        raise NotExportableError(f"the activation {settings['name']!r} is from outside of the package")
    if spec.kind in JOINED:
        own, nodes = iter(parameters), []
        for member in spec.members:
            layer = member.maker()(widths)
            nodes.append(_node(member, widths, next(own) if layer.slots != () else ()))
            widths = layer.width if spec.kind == "chain" else widths
        return LayerNode(spec.kind, settings, (), tuple(nodes))
    if spec.kind == "dense":
        settings["scale"] = initializers[settings["init"]].forward_scale(width_of(widths))
    if spec.kind == "embedding":
        settings["columns"], sizes = chosen_columns(widths, settings.get("columns"))
        settings["firsts"] = [sum(sizes[:place]) for place in range(len(sizes))]
    return LayerNode(spec.kind, settings, parameters)
