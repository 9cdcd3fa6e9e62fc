"""A batch ensemble equals as many separate networks, and dropout draws masks for its larger batch."""

from __future__ import annotations

import array_api_compat.numpy
import numpy as np

from xpmlp._tree import map_leaves
from xpmlp.nn import pure_ops
from xpmlp.nn.layer import Draw
from xpmlp.nn.layers import activation, adapters, chain, dropout, repeat
from xpmlp.nn.layers.repeat import mean_of_members, repeat_rows

OPS = pure_ops(array_api_compat.numpy)
MEMBERS, BATCH = 3, 4
X = np.random.default_rng(0).normal(size=(2, BATCH, 5))


def test_the_mean_of_repeated_rows_are_the_rows() -> None:
    repeated = repeat_rows(OPS, X, MEMBERS)
    np.testing.assert_array_equal(repeated, np.concatenate([X] * MEMBERS, axis=-2))
    np.testing.assert_allclose(mean_of_members(OPS, repeated, MEMBERS), X, rtol=1e-15)


def test_a_member_is_the_network_with_its_adapters() -> None:
    makers = adapters(6, MEMBERS, random=True), activation("tanh"), adapters(2, MEMBERS)
    ensemble = chain(repeat(MEMBERS), *makers)(5)
    assert ensemble.repeats == MEMBERS
    rng = np.random.default_rng(1)
    parameters = map_leaves(
        lambda leaf: leaf * rng.uniform(0.5, 1.5, (2, *leaf.shape)), ensemble.init(np.random.default_rng(0))
    )
    y, _ = ensemble.forward(OPS, parameters, X, ())
    one = chain(adapters(6, 1), activation("tanh"), adapters(2, 1))(5)
    for member in range(MEMBERS):
        own = [
            layer._replace(**{name: getattr(layer, name)[:, member, None, :] for name in layer._fields[1:]})
            for layer in parameters
        ]
        expected, _ = one.forward(OPS, own, X, ())
        np.testing.assert_allclose(y[:, member * BATCH : (member + 1) * BATCH], expected, rtol=1e-13)
    assert len(np.unique(np.round(y[0, ::BATCH], 9), axis=0)) == MEMBERS


def test_all_members_are_dropped_from_independently() -> None:
    layer = chain(dropout(0.5), repeat(MEMBERS), dropout(0.5))(5)
    draw = Draw(np.asarray([[7], [8]], np.int32), np.arange(2, dtype=np.int32)[:, None, None], BATCH, np.float64)
    before, _, after = layer.draw(OPS, draw, 0)
    assert (before.shape, after.shape) == ((2, 2, BATCH, 5), (2, 2, MEMBERS * BATCH, 5))
    assert not np.array_equal(after[..., :BATCH, :], after[..., BATCH : 2 * BATCH, :])
    noise = [before[0], (), after[0]]
    y, _ = layer.forward(OPS, [], X, noise)
    np.testing.assert_array_equal(y, np.concatenate([X * before[0]] * MEMBERS, axis=-2) * after[0])
