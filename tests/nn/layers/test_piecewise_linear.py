"""Bins fitted to the training part, and given bins."""

from __future__ import annotations

import array_api_compat.numpy
import numpy as np
import pytest

from xpmlp.nn import pure_ops
from xpmlp.nn.layer import Inputs
from xpmlp.nn.layers import activation, chain, piecewise_linear, scaling
from xpmlp.nn.layers.piecewise_linear import BEYOND

OPS = pure_ops(array_api_compat.numpy)
RNG = np.random.default_rng(0)


def test_edges_are_quantiles_without_repetitions() -> None:
    layer = piecewise_linear(4, 1)(4)
    assert layer.fit is not None
    columns = [
        np.arange(9.0),
        [0.0] * 5 + [1.0] * 4,
        [7.0] * 9,
        [np.nan, 1.0, 2.0, 3.0, 4.0, 5.0, np.nan, np.inf, np.nan],
    ]
    before = layer.init(np.random.default_rng(0))
    after = layer.fit(OPS, RNG, before, Inputs(np.stack(columns, axis=-1)))
    np.testing.assert_array_equal(after.bins.begins, [[0, 2, 4, 6], [0, 0, 0, 0], [7, 0, 0, 0], [1, 2, 3, 4]])
    np.testing.assert_array_equal(after.bins.slopes, [[0.5] * 4, [1, 0, 0, 0], [1, 0, 0, 0], [1] * 4])
    np.testing.assert_array_equal(after.bins.lower, [[-BEYOND, 0, 0, 0]] * 4)
    top, alone = [1, 1, 1, 1 + BEYOND], [1 + BEYOND, 0, 0, 0]
    np.testing.assert_array_equal(after.bins.upper, [top, alone, alone, top])
    np.testing.assert_array_equal(after.weights, before.weights)


def test_edges_apart_by_rounding_are_one() -> None:
    layer = piecewise_linear(16, 1)(2)
    assert layer.fit is not None
    hours = np.sin(2 * np.pi * np.arange(480) / 24)  # at 12 o'clock 1.2e-16, later -2.4e-16 and so on
    heavy = np.r_[RNG.normal(size=479), 1e9]  # one far number leaves the edges of the others apart
    after = layer.fit(OPS, RNG, layer.init(RNG), Inputs(np.stack([hours, heavy], axis=-1)))
    assert after.bins.slopes[0].max() < 100
    assert np.count_nonzero(after.bins.slopes[1]) == 16


def test_far_beyond_the_narrow_bin_of_skewed_numbers_nothing_explodes() -> None:
    layer = piecewise_linear(16, 1)(1)
    assert layer.fit is not None
    prices = np.exp(3 * RNG.normal(size=(500, 1)))
    parameters = layer.fit(OPS, RNG, layer.init(RNG), Inputs(prices))
    within, _ = layer.forward(OPS, parameters, prices, None)
    beyond, _ = layer.forward(OPS, parameters, np.asarray([[-999.0], [1e30]]), None)
    assert np.abs(beyond).max() < np.abs(within).max() + 2 * np.abs(parameters.weights).max()


def test_a_chain_fits_each_layer_to_what_the_one_before_gives() -> None:
    x = RNG.normal(size=(100, 2))
    layer = chain(scaling(), activation("tanh"), piecewise_linear(3, 2))(2)
    assert layer.fit is not None
    parameters = layer.init(np.random.default_rng(0))
    parameters[0] = parameters[0]._replace(scales=np.asarray([[2.0, 0.5]]))
    fitted = layer.fit(OPS, RNG, parameters, x)
    expected = np.quantile(np.tanh(x * [2.0, 0.5]), [0, 1 / 3, 2 / 3], axis=0).T
    np.testing.assert_allclose(fitted[1].bins.begins, expected, rtol=1e-15)
    assert fitted[0] is parameters[0]
    assert chain(scaling())(2).fit is None


def test_bins_before_they_are_fitted_are_as_probable_as_each_other() -> None:
    bins = piecewise_linear(5)(2).init(np.random.default_rng(0)).bins
    assert (bins.slopes > 0).all()
    counts = np.diff((RNG.normal(size=(10_000, 1)) > bins.begins[0]).sum(axis=0))
    np.testing.assert_allclose(counts, -10_000 / 6, rtol=0.1)


@pytest.mark.parametrize(
    "bins", [[[0.0, 1.0]], [[0.0, 1.0], [1.0]], [[0.0, 1.0], [1.0, 1.0]]], ids=["one", "short", "equal"]
)
def test_bins_that_are_none_are_refused(bins: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="bins of 2 features are needed: at least two ascending edges for each"):
        piecewise_linear(bins)(2)
