"""Random numbers as a function of (seed, purpose): determinism, distributions, and values that must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpmlp.init import Purpose, batch_order, data_rows, generator, initial_parameters
from xpmlp.initializers import initializers

N_IN, N_OUT = 300, 200

STANDARD_DEVIATIONS = {
    # of a uniform distribution on +- c it is c / sqrt(3)
    "glorot_uniform": math.sqrt(6 / (N_IN + N_OUT)) / math.sqrt(3),
    "glorot_normal": math.sqrt(2 / (N_IN + N_OUT)),
    "he_normal": math.sqrt(2 / N_IN),
    "he_uniform": math.sqrt(6 / N_IN) / math.sqrt(3),
    "lecun_normal": math.sqrt(1 / N_IN),
    "lecun_uniform": math.sqrt(3 / N_IN) / math.sqrt(3),
    "ntk": 1.0,
    "data": 1.0,
    "normal": 0.3,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", initializers)
def test_distribution(name: str) -> None:
    ((weights, biases),) = initial_parameters([N_IN, N_OUT], 5, name, scale=0.3)
    expected = STANDARD_DEVIATIONS[name]
    assert weights.shape == (N_IN, N_OUT)
    assert weights.dtype == np.float64
    # of 60,000 numbers: four standard errors of the mean, and of the standard deviation (at most 1 / sqrt(2 n) of it)
    assert abs(weights.mean()) <= 4 * expected / math.sqrt(weights.size)
    assert weights.std() == pytest.approx(expected, rel=4 / math.sqrt(2 * weights.size))
    assert biases.shape == (1, N_OUT)
    assert not biases.any()


def test_glorot_uniform_keeps_its_bound_and_fills_it() -> None:
    ((weights, _),) = initial_parameters([N_IN, N_OUT], 5)
    bound = math.sqrt(6 / (N_IN + N_OUT))
    assert np.abs(weights).max() <= bound
    assert np.quantile(weights, [0.25, 0.5, 0.75]) == pytest.approx([-bound / 2, 0, bound / 2], abs=0.02 * bound)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "normal", "ntk"])
def test_normal_tails(name: str) -> None:
    ((weights, _),) = initial_parameters([N_IN, N_OUT], 5, name, scale=0.3)
    within = [np.mean(np.abs(weights) < k * STANDARD_DEVIATIONS[name]) for k in (1, 2, 3)]
    assert within == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.006)


PINNED = {
    "glorot_uniform": ([0.30006802263971943, -0.5043720396356872], [0.26120323895543396, 0.5621494721343181]),
    "glorot_normal": ([0.07951877387433376, -0.08355045159713635], [0.9220672745790841, 0.6696873713613738]),
    "he_normal": ([0.10265829564204268, -0.10786316920127266], [1.3040000451301372, 0.9470809631292422]),
    "he_uniform": ([0.38738615147100774, -0.651141503267228], [0.3693971630665551, 0.7949994075732292]),
    "lecun_uniform": ([0.2739233746429086, -0.4604265724722594], [0.26120323895543396, 0.5621494721343181]),
    "lecun_normal": ([0.07259037699354177, -0.07627077838249186], [0.9220672745790841, 0.6696873713613738]),
    "ntk": ([0.1257302210933933, -0.1321048632913019], [1.3040000451301372, 0.9470809631292422]),
    "data": ([0.1257302210933933, -0.1321048632913019], [1.3040000451301372, 0.9470809631292422]),
    "normal": ([0.001257302210933933, -0.0013210486329130189], [0.013040000451301373, 0.009470809631292421]),
    "zeros": ([0.0, 0.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("name", initializers)
def test_values_are_pinned(name: str) -> None:
    # a change here makes every published figure irreproducible: it needs a new version, not a new number
    first, second = initial_parameters([3, 2, 2], 0, name)
    np.testing.assert_allclose([first[0][0], second[0][0]], PINNED[name], rtol=1e-15)


@pytest.mark.parametrize("name", initializers)
def test_the_scale_in_the_forward_pass(name: str) -> None:
    # inputs of variance 1 give sums of variance n_in * variance of the weights * scale**2: with NTK it is 1
    expected = 1 / math.sqrt(N_IN) if name in ("ntk", "data") else 1.0
    assert initializers[name].forward_scale(N_IN) == expected
    assert (initializers[name].name, initializers[name].from_data is None) == (name, name != "data")


def test_fitted_to_data() -> None:
    fit = initializers["data"].from_data
    assert fit is not None
    x = np.random.default_rng(2).normal(3, 5, (400, 30))
    weights, biases = fit(generator(0, Purpose.WEIGHTS), x, 500, 0.25)
    assert (weights.shape, biases.shape) == ((30, 500), (1, 500))
    sums = 0.25 * x @ weights
    np.testing.assert_allclose(sums.std(axis=0), 1, rtol=1e-12)
    # each unit is 0 among the data; the mean of five places varies less than one of them
    assert ((sums + biases).min(axis=0) < 0).all()
    assert ((sums + biases).max(axis=0) > 0).all()
    centred = biases[0] + sums.mean(axis=0)
    assert abs(centred.mean()) < 4 * centred.std() / math.sqrt(500)
    # weights that are even over all that sum to 1 have E[sum of squares] = 2 / (5 + 1)
    assert centred.std() == pytest.approx(math.sqrt(1 / 3), rel=0.15)
    again = fit(generator(0, Purpose.WEIGHTS), x, 500, 0.25)
    np.testing.assert_array_equal(again[1], biases)


def test_fitted_to_one_row_or_to_constants() -> None:
    fit = initializers["data"].from_data
    assert fit is not None
    for x in (np.ones((1, 3)), np.zeros((10, 3))):
        weights, biases = fit(generator(0, Purpose.WEIGHTS), x, 4, 1.0)
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(x @ weights + biases, np.zeros((len(x), 4)), atol=1e-15)


def test_rounding_errors_around_zero_are_not_scaled_up() -> None:
    fit = initializers["data"].from_data
    assert fit is not None
    x = 1e-16 * np.random.default_rng(0).standard_normal((50, 20))  # what a constant input leaves behind a layer
    weights, biases = fit(generator(0, Purpose.WEIGHTS), x, 30, 1.0)
    assert np.abs(weights).max() < 10
    assert np.abs(biases).max() < 1e-12


def test_fitted_to_few_rows_no_unit_is_out_of_proportion() -> None:
    fit = initializers["data"].from_data
    assert fit is not None
    weights, _ = fit(generator(0, Purpose.WEIGHTS), np.random.default_rng(2).normal(size=(2, 30)), 500, 1.0)
    assert 0.1 < abs(weights).max(axis=0).min() < abs(weights).max() < 2  # 240, if each were divided by its own


@pytest.mark.parametrize("rows", [[[0.1] * 3] * 30, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]] * 15], ids=["one", "two"])
def test_fitted_to_few_different_rows_no_unit_is_out_of_proportion(rows: list[list[float]]) -> None:
    fit = initializers["data"].from_data
    assert fit is not None
    weights, _ = fit(generator(0, Purpose.WEIGHTS), np.array(rows), 1000, 1.0)
    assert abs(weights).max() < 100  # thousands, if each were divided by its own deviation


def test_data_rows() -> None:
    rows = data_rows(0, 5000)
    assert len(set(rows.tolist())) == 1000
    assert (np.diff(rows) > 0).all()
    assert data_rows(0, 5000).tolist() == rows.tolist() != data_rows(1, 5000).tolist()
    assert data_rows(0, 7).tolist() == list(range(7))


def test_batch_orders_are_pinned() -> None:
    assert batch_order(0, 0, 8).tolist() == [1, 3, 7, 6, 0, 4, 2, 5]
    assert batch_order(0, 1, 8).tolist() == [0, 7, 1, 4, 6, 3, 5, 2]
    assert batch_order(1, 0, 8).tolist() == [6, 1, 4, 0, 3, 2, 5, 7]


def test_layers_differ_and_seeds_differ() -> None:
    first, second = (weights for weights, _ in initial_parameters([4, 4, 4], 0))
    (other, _), _ = initial_parameters([4, 4, 4], 1)
    assert not np.any(first == second)
    assert not np.any(first == other)


def test_the_same_seed_gives_the_same_bits_whatever_was_drawn_before() -> None:
    expected = initial_parameters([4, 3, 2], 3, "he_normal")
    np.random.default_rng(3).normal(size=10)
    batch_order(3, 0, 10)
    for layer, again in zip(expected, initial_parameters([4, 3, 2], 3, "he_normal"), strict=True):
        for leaf, same in zip(layer, again, strict=True):
            np.testing.assert_array_equal(leaf, same)


def test_every_purpose_and_epoch_has_a_stream_of_its_own() -> None:
    streams = [generator(7, Purpose.WEIGHTS), *(generator(7, Purpose.BATCH_ORDER, epoch) for epoch in range(3))]
    streams += [generator(8, Purpose.WEIGHTS), *(generator(8, Purpose.BATCH_ORDER, epoch) for epoch in range(3))]
    assert len({stream.integers(2**63) for stream in streams}) == len(streams)


@pytest.mark.parametrize("examples", [1, 7, 1000])
def test_batch_order_is_a_permutation(examples: int) -> None:
    assert sorted(batch_order(0, 3, examples).tolist()) == list(range(examples))


def test_batch_order_differs_by_epoch_and_seed() -> None:
    orders = [batch_order(seed, epoch, 100).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9
