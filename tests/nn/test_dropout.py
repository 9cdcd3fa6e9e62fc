"""Dropout: masks with the same bits everywhere and fair probabilities, and gradients that use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, call, cases, tolerance
from tests.networks import passes
from tests.oracle import FUNCTIONS, random_problem
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters
from xpmlp.nn.layers import dropout

SEEDS, STEPS = (0, 7, 2**32 - 1), (0, 1, 2**31 + 5)
WORD = 2**32


def mixed(number: int) -> int:
    """The hash's mixing function, in whole numbers without bounds."""
    number %= WORD
    number ^= number >> 16
    number = number * 0x7FEB352D % WORD
    number ^= number >> 15
    number = number * 0x846CA68B % WORD
    return number ^ number >> 16


def kept(rate: float, seed: int, step: int, layer: int, example: int, unit: int) -> bool:
    """Whether a unit is kept, by the definition of `xpmlp.nn.dropout`."""
    start = mixed(mixed(seed) ^ step % WORD)
    key = mixed(mixed(start + layer) ^ example)
    number = mixed(key + unit * 0x9E3779B9)
    return (number + 2**31) % WORD - 2**31 >= rate * WORD - 2**31


def factors(
    backend: Backend,
    rates: Sequence[float],
    seeds: Sequence[int],
    steps: Sequence[int],
    batch: int,
    widths: Sequence[int],
) -> list[Any]:
    """The factors of each layer's mask, (steps, runs, batch, width), on the host; None where there is none."""
    numbers = np.asarray([nn.as_int32(step) for step in steps], dtype=np.int32).reshape(-1, 1, 1)
    column = np.asarray([[nn.as_int32(seed)] for seed in seeds], dtype=np.int32)

    def masks(drawn: Any, step: Any) -> list[Any]:
        draw = nn.Draw(drawn, step, batch, backend.dtype)
        layers = [dropout(rate)(width) for rate, width in zip(rates, widths, strict=True)]
        return [layer.draw(backend.ops, draw, stream) for stream, layer in enumerate(layers)]

    # compiled or not, the bits are to be the same
    made = call(backend, masks, backend.asarray(column), backend.asarray(numbers))
    return [None if isinstance(mask, tuple) else backend.to_numpy(mask) for mask in made]


def test_the_same_units_as_by_definition(backend: Backend) -> None:
    rates, widths = (0.2, 0.0, 0.75), (5, 3, 4)
    made = factors(backend, rates, SEEDS, STEPS, 4, widths)
    assert made[1] is None
    for layer in (0, 2):
        expected = np.zeros((len(STEPS), len(SEEDS), 4, widths[layer]))
        for place in np.ndindex(expected.shape):
            step, run, example, unit = place
            keeps = kept(rates[layer], SEEDS[run], STEPS[step], layer, example, unit)
            expected[place] = keeps / (1 - rates[layer])
        np.testing.assert_allclose(made[layer], expected, rtol=tolerance(backend, 1e-7, 1e-15))
        assert 0 < expected.astype(bool).mean() < 1


def test_a_run_has_the_same_masks_alone(backend: Backend) -> None:
    (stacked,) = factors(backend, (0.5,), SEEDS, STEPS, 3, (6,))
    for run, seed in enumerate(SEEDS):
        (alone,) = factors(backend, (0.5,), [seed], STEPS, 3, (6,))
        np.testing.assert_array_equal(stacked[:, run], alone[:, 0])
        for step, number in enumerate(STEPS):
            np.testing.assert_array_equal(factors(backend, (0.5,), [seed], [number], 3, (6,))[0][0], alone[step])


@pytest.mark.parametrize("backend", cases("numpy", dtype="float64"), indirect=True)
class TestStatistics:
    """With a million coins, means are within five standard deviations of what fair ones give."""

    STEPS, BATCH, WIDTH = 40, 100, 250

    def coins(self, backend: Backend, rate: float, seeds: Sequence[int] = (1, 2)) -> np.ndarray[Any, Any]:
        """Whether units are kept: (layers, steps, runs, batch, width)."""
        made = factors(backend, (rate, rate), seeds, range(self.STEPS), self.BATCH, (self.WIDTH,) * 2)
        return np.stack(made) > 0

    @pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
    def test_the_part_that_is_kept(self, backend: Backend, rate: float) -> None:
        coins = self.coins(backend, rate)
        deviation = np.sqrt(rate * (1 - rate))
        assert abs(coins.mean() - (1 - rate)) < 5 * deviation / np.sqrt(coins.size)
        for axis in range(coins.ndim):  # of each layer, step, run, example and unit alone
            others = tuple(other for other in range(coins.ndim) if other != axis)
            count = coins.size / coins.shape[axis]
            assert np.abs(coins.mean(axis=others) - (1 - rate)).max() < 5 * deviation / np.sqrt(count)

    @pytest.mark.parametrize("axis", range(5), ids=["layers", "steps", "runs", "examples", "units"])
    def test_neighbours_are_independent(self, backend: Backend, axis: int) -> None:
        signs = 2.0 * self.coins(backend, 0.5) - 1
        for distance in (1, 2, 8, 32):
            if distance < signs.shape[axis]:
                first = np.take(signs, range(signs.shape[axis] - distance), axis=axis)
                second = np.take(signs, range(distance, signs.shape[axis]), axis=axis)
                assert abs((first * second).mean()) < 5 / np.sqrt(first.size)

    def test_no_two_rows_are_alike(self, backend: Backend) -> None:
        rows = np.packbits(self.coins(backend, 0.5).reshape(-1, self.WIDTH), axis=1)
        assert len(np.unique(rows, axis=0)) == len(rows)

    def test_the_scale_keeps_the_mean(self, backend: Backend) -> None:
        (made,) = factors(backend, (0.3,), [5], range(self.STEPS), self.BATCH, (self.WIDTH,))
        assert set(np.unique(made)) == {0.0, 1 / (1 - 0.3)}
        assert abs(made.mean() - 1) < 5 * np.sqrt(0.3 / 0.7 / made.size)


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
@pytest.mark.parametrize("hidden", [("sigmoid", "tanh"), ("relu", "identity")])
def test_gradients_with_a_fixed_mask(backend: Backend, hidden: tuple[str, str]) -> None:
    problem, rates = random_problem(2, seed=4), (0.4, 0.25)
    made = factors(backend, rates, [3], [9], 5, (4, 5))
    parameters = [DenseParameters(w.copy(), b.copy()) for w, b in problem.parameters]

    def mean_loss() -> float:
        a = problem.x
        for (weights, biases), name, mask in zip(
            parameters, [*hidden, "identity"], [*(mask[0, 0] for mask in made), 1.0], strict=True
        ):
            a = FUNCTIONS[name](a @ weights + biases) * mask
        return float(np.mean(np.log(np.exp(a).sum(axis=1)) - (a * problem.targets).sum(axis=1)))

    masks = [backend.asarray(mask[0, 0], backend.dtype) for mask in made]
    noise = [(), (), masks[0], (), (), masks[1], ()]  # dense, activation, dropout, and so on
    targets, ops = backend.asarray(problem.targets, backend.dtype), backend.ops
    actual = passes(
        ops,
        backend.parameters(problem.parameters),
        backend.asarray(problem.x, backend.dtype),
        hidden,
        lambda logits: nn.losses["cross_entropy"].delta(ops, logits, targets),
        rates,
        noise,
    ).gradients(5)
    for layer, found in zip(parameters, actual, strict=True):
        for array, gradient in zip(layer, found, strict=True):
            slopes = np.empty_like(array)
            for place in np.ndindex(array.shape):
                before = array[place]
                around = []
                for shifted in (before + 1e-5, before - 1e-5):
                    array[place] = shifted
                    around.append(mean_loss())
                array[place] = before
                slopes[place] = (around[0] - around[1]) / 2e-5
            assert_close(gradient, slopes, 1e-8, backend)


def test_as_int32() -> None:
    assert [nn.as_int32(number) for number in (0, 5, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 3)] == [
        *(0, 5, 2**31 - 1, -(2**31), -1, 0, 3)
    ]


def test_a_rate_just_below_one_drops_all(backend: Backend) -> None:
    (made,) = factors(backend, (1 - 1e-12,), [0], [0], 50, (50,))
    assert np.count_nonzero(made) == 0


def test_a_network_says_how_many_numbers_its_masks_take() -> None:
    """By which the memory of prepared batches is estimated."""
    spec = nn.mlp([20, 30, 2], ["relu", "relu"], [0.5, 0.0])
    assert nn.Network(spec, nn.Widths(4), nn.losses["cross_entropy"]).root.drawn == 20
    table = {"kind": "chain", "layers": [{"kind": "repeat", "members": 3}, {"kind": "dropout", "rate": 0.1}]}
    assert nn.Network(nn.LayerSpec.of(table), nn.Widths(4), nn.losses["squared"]).root.drawn == 12
