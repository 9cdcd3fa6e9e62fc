"""A layer with state from outside the package: it subtracts a running mean, in training that of the batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.helpers import assert_close, call, tolerance
from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.backend import Backend
from xpmlp.nn.layer import Draw, Layer, LayerMaker, Slot, Widths, descend_by, numbers_of, width_of
from xpmlp.nn.layers import chain, scaling
from xpmlp.nn.ops import Ops


class CentringParameters(NamedTuple):
    """``mean``: ([runs,] 1, width), of all batches, later ones counting more."""

    mean: Array


def centring(kept: float = 0.9) -> LayerMaker:
    """``x - mean``, of the batch in training, in evaluation the running one: ``kept * before + (1 - kept) * batch``."""

    def forward(ops: Ops, parameters: CentringParameters, x: Any, noise: Any) -> tuple[Array, Any]:
        x = numbers_of(x)
        if isinstance(noise, tuple):  # evaluation
            return x - parameters.mean, ()
        mean = ops.xp.mean(x, axis=-2, keepdims=True)
        return x - mean, kept * parameters.mean + (1 - kept) * mean

    def backward(ops: Ops, parameters: Any, new: Array, upstream: Array, wanted: bool) -> tuple[Array, Any]:
        return upstream - ops.xp.mean(upstream, axis=-2, keepdims=True), CentringParameters(new)

    def draw(ops: Ops, draw: Draw, stream: int) -> Array:
        """Nothing random: that there is something tells training from evaluation."""
        return ops.xp.astype(draw.steps, draw.dtype)

    def make(widths: Widths | int) -> Layer:
        width = width_of(widths)
        slots = CentringParameters(Slot("state", 1, width))
        descend = descend_by(gradients, slots)
        return Layer(
            "centring", {"kept": kept}, width, lambda generator: CentringParameters(np.zeros((1, width))), slots,
            forward, backward, gradients, descend, draw, streams=1,
        )  # fmt: skip

    return make


def gradients(ops: Ops, factors: CentringParameters, divisor: Any) -> CentringParameters:
    """The new value of the state."""
    return factors


def test_a_state_is_put_in_place_and_used_in_evaluation(backend: Backend) -> None:
    layer = chain(scaling(), centring(0.75))(2)
    rng = np.random.default_rng(0)
    batches, scales = rng.normal(size=(2, 3, 4, 2)), rng.uniform(1, 2, (3, 1, 2))
    host = map_leaves(lambda leaf: np.stack([leaf] * 3), layer.init(rng))
    host[0] = host[0]._replace(scales=scales)
    ops, accuracy = backend.ops, tolerance(backend, 1e-6, 1e-14)

    def step(parameters: Any, x: Any, flag: Any) -> Any:
        y, residuals = layer.forward(ops, parameters, x, [(), flag])
        _, factors = layer.backward(ops, parameters, residuals, y * 1.0, False)
        return y, layer.gradients(ops, factors, 4.0), layer.descend(ops, parameters, factors, 0.0)

    parameters, mean = backend.parameters(host), np.zeros((3, 1, 2))
    for x in batches:
        y, slopes, parameters = call(
            backend, step, parameters, backend.asarray(x, backend.dtype), backend.asarray(1.0, backend.dtype)
        )
        own = (x * scales).mean(axis=1, keepdims=True)
        mean = 0.75 * mean + 0.25 * own
        assert_close(y, x * scales - own, accuracy, backend)
        assert_close(slopes[1].mean, mean, accuracy, backend)
        assert_close(parameters[1].mean, mean, accuracy, backend)
        assert_close(parameters[0].scales, scales, accuracy, backend)
    y, _ = layer.forward(ops, parameters, backend.asarray(batches[0], backend.dtype), ())
    assert_close(y, batches[0] * scales - mean, accuracy, backend)


def test_the_chain_says_which_of_its_parameters_are_state() -> None:
    layer = chain(scaling(), centring())(2)
    assert [kind for _, kind in leaves(layer.kinds)] == ["scales", "state"]
    assert layer.streams == 1
