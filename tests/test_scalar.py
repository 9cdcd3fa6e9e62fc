"""The plain-Python network, against values worked by hand, finite differences and a full training."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import numpy as np
import pytest

from xpmlp import scalar
from xpmlp.scalar import Layer, Network

Q = np.asarray([[1.0, -0.05], [1.0, 0.4]])


def synth(examples: int) -> tuple[list[list[float]], list[int]]:
    """The first points of the coursework's two classes, drawn here independently of ``xpmlp.data``."""
    x = np.random.RandomState(0).randn(70_000, 2)
    y = np.einsum("ni,ij,nj->n", x, Q, x) > 0.6
    return x[:examples].tolist(), y[:examples].astype(int).tolist()


def table_1_network() -> Network:
    return Network(
        Layer([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]], [0.0, 0.0, 0.0]),
        Layer([[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]], [0.0, 0.0]),
    )


def table_1_by_hand() -> Network:
    # x = (1, -1): every a_j = 1 * 1 + (-1) * (-1) = 2, every h_j = sigmoid(2) = 0.880797.
    # o_0 = o_1 = h - h - h, so y = (1/2, 1/2) and do = y - (1, 0) = (-1/2, 1/2).
    # dV_jk = h_j do_k = -+0.440399, dc = do.
    # dh_j = V_j0 (-1/2) + V_j1 (1/2) = 0, since V's columns are equal: nothing reaches the first layer.
    g = 0.5 / (1 + math.exp(-2))
    assert round(g, 4) == 0.4404
    return Network(
        Layer([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, 0.0, 0.0]),
        Layer([[-g, g], [-g, g], [-g, g]], [-0.5, 0.5]),
    )


def flat(network: Network) -> list[float]:
    return [number for layer in network for row in (*layer.weights, layer.biases) for number in row]


def random_network(n_in: int, n_hidden: int, n_out: int, seed: int) -> tuple[Network, list[float]]:
    """A network without any symmetry, biases included, and an input for it."""
    generator = np.random.default_rng(seed)

    def layer(rows: int, columns: int) -> Layer:
        return Layer(generator.normal(size=(rows, columns)).tolist(), generator.normal(size=columns).tolist())

    return Network(layer(n_in, n_hidden), layer(n_hidden, n_out)), generator.normal(size=n_in).tolist()


def numpy_loss(network: Network, x: list[float], target: int) -> float:
    """The same loss, written another way: matrix products and the textbook's formulas."""
    (W, b), (V, c) = network
    h = 1 / (1 + np.exp(-(np.asarray(x) @ np.asarray(W) + b)))
    exponentials = np.exp(h @ np.asarray(V) + c)
    return float(-np.log(exponentials[target] / exponentials.sum()))


def test_the_first_loss_and_gradients_of_table_1() -> None:
    network = table_1_network()
    assert scalar.loss(network, [1.0, -1.0], 0) == pytest.approx(math.log(2), abs=1e-15)
    found = scalar.gradients(network, [1.0, -1.0], 0)
    assert flat(found) == pytest.approx(flat(table_1_by_hand()), abs=1e-15)
    assert flat(Network(found.hidden, Layer([], []))) == [0.0] * 9  # exactly


@pytest.mark.parametrize("shape", [(2, 3, 2), (4, 2, 5), (1, 1, 3), (3, 5, 1)])
@pytest.mark.parametrize("target", [0, -1])
def test_gradients_by_finite_differences(shape: tuple[int, int, int], target: int) -> None:
    network, x = random_network(*shape, seed=sum(shape))
    target %= shape[-1]
    assert scalar.loss(network, x, target) == pytest.approx(numpy_loss(network, x, target), rel=1e-12, abs=1e-14)

    def difference(row: list[float], k: int, size: float = 1e-5) -> float:
        kept = row[k]
        row[k] = kept + size
        above = numpy_loss(network, x, target)
        row[k] = kept - size
        below = numpy_loss(network, x, target)
        row[k] = kept
        return (above - below) / (2 * size)

    rows = [row for layer in network for row in (*layer.weights, layer.biases)]
    expected = [difference(row, k) for row in rows for k in range(len(row))]
    assert flat(scalar.gradients(network, x, target)) == pytest.approx(expected, abs=1e-9)


def test_a_step_subtracts_the_gradients() -> None:
    network, x = random_network(3, 4, 2, seed=1)
    before, loss, gradients = flat(network), scalar.loss(network, x, 1), scalar.gradients(network, x, 1)
    assert scalar.step(network, x, 1, learning_rate=0.3) == loss
    expected = [number - 0.3 * gradient for number, gradient in zip(before, flat(gradients), strict=True)]
    assert flat(network) == pytest.approx(expected, abs=1e-15)


def test_extreme_inputs_give_finite_losses_and_gradients() -> None:
    assert scalar.sigmoid(1e4) == 1.0
    assert scalar.sigmoid(-1e4) == 0.0
    assert scalar.sigmoid(-700.0) == pytest.approx(math.exp(-700), rel=1e-12)
    assert scalar.softmax_cross_entropy([1e4, -1e4], 0) == (0.0, [0.0, 0.0])
    assert scalar.softmax_cross_entropy([1e4, -1e4], 1) == (2e4, [1.0, -1.0])


def test_initial_weights_are_within_their_bounds_and_follow_the_seed() -> None:
    network = scalar.initial(40, 30, 20, seed=0)
    for layer, n_in, n_out in ((network.hidden, 40, 30), (network.output, 30, 20)):
        weights = np.asarray(layer.weights)
        bound = math.sqrt(6 / (n_in + n_out))
        assert weights.shape == (n_in, n_out)
        assert 0.98 * bound < np.abs(weights).max() <= bound
        assert np.abs(weights.mean()) < 0.1 * bound
        assert layer.biases == [0.0] * n_out
    assert scalar.initial(40, 30, 20, seed=0) == network
    assert scalar.initial(40, 30, 20, seed=1) != network


def test_training_is_the_fold_of_its_steps_in_any_order_it_draws() -> None:
    points, labels = synth(50)
    once, again, other = (scalar.initial(2, 3, 2, seed=0) for _ in range(3))
    losses = scalar.train(once, points, labels, epochs=2, learning_rate=0.1, seed=3)
    assert scalar.train(again, points, labels, epochs=2, learning_rate=0.1, seed=3) == losses
    assert flat(again) == flat(once)
    assert scalar.train(other, points, labels, epochs=2, learning_rate=0.1, seed=4) != losses

    alone, by_hand = scalar.initial(2, 3, 2, seed=0), scalar.initial(2, 3, 2, seed=0)
    trained = scalar.train(alone, points[:1], labels[:1], epochs=3, learning_rate=0.1, seed=0)
    assert trained == [scalar.step(by_hand, points[0], labels[0], 0.1) for _ in range(3)]
    assert flat(alone) == flat(by_hand)


def test_the_loss_of_an_epoch_is_the_mean_over_all_its_examples() -> None:
    points, labels = synth(20)
    network = scalar.initial(2, 3, 2, seed=0)
    expected = np.mean([numpy_loss(network, x, y) for x, y in zip(points, labels, strict=True)])
    # With a learning rate of zero nothing changes between the examples, so their order cannot matter.
    assert scalar.train(network, points, labels, epochs=2, learning_rate=0.0, seed=0) == pytest.approx([expected] * 2)


def test_numpy_arrays_train_as_lists_do() -> None:
    points, labels = synth(30)
    from_lists, from_arrays = scalar.initial(2, 3, 2, seed=0), scalar.initial(2, 3, 2, seed=0)
    losses = scalar.train(from_lists, points, labels, epochs=1, learning_rate=0.1, seed=0)
    arrays = np.asarray(points), np.asarray(labels)
    assert scalar.train(from_arrays, *arrays, epochs=1, learning_rate=0.1, seed=0) == losses
    assert all(type(number) is float for number in flat(from_arrays))


@pytest.mark.parametrize(
    ("points", "labels", "sentence"),
    [
        ([], [], "0 points and 0 labels given"),
        ([[1.0, 2.0]], [0, 1], "1 points and 2 labels given"),
        ([[1.0, 2.0]], [2], r"The label 2 given; this network's classes are 0 to 1"),
        ([[1.0, 2.0]], [-1], "The label -1 given"),
        ([[1.0, 2.0, 3.0]], [0], "A point of 3 numbers given; this network takes points of 2"),
    ],
)
def test_examples_that_do_not_fit_are_refused(points: list[list[float]], labels: list[int], sentence: str) -> None:
    network = scalar.initial(2, 3, 2, seed=0)
    before = flat(network)
    with pytest.raises(ValueError, match=sentence):
        scalar.train(network, points, labels, epochs=1, learning_rate=0.1, seed=0)
    assert flat(network) == before


def test_a_few_thousand_points_are_learnt() -> None:
    points, labels = synth(4_000)
    network = scalar.initial(2, 3, 2, seed=0)
    losses = scalar.train(network, points[:3_000], labels[:3_000], epochs=8, learning_rate=0.1, seed=0)
    assert losses[-1] < 0.2 < losses[0]
    wrong = sum(
        (o[1] > o[0]) != y
        for x, y in zip(points[3_000:], labels[3_000:], strict=True)
        for _, o in [scalar.forward(network, x)]
    )
    assert wrong < 80  # of 1,000; the larger class alone would leave more than 400


def test_a_point_of_another_length_is_refused() -> None:
    network = scalar.initial(2, 3, 2, seed=0)
    for x in ([1.0], [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match=f"{len(x)} numbers given for a layer of 2 inputs"):
            scalar.forward(network, x)


def test_it_needs_the_standard_library_only() -> None:
    # -I and -S hide the installed packages and this one: an import of either would fail.
    subprocess.run([sys.executable, "-I", "-S", scalar.__file__], check=True)


@pytest.mark.slow
def test_the_whole_of_synth_in_under_two_minutes() -> None:
    points, labels = synth(60_000)
    assert sum(labels) == 33_494
    start = time.perf_counter()
    losses = scalar.train(scalar.initial(2, 3, 2, seed=0), points, labels, epochs=100, learning_rate=0.01, seed=0)
    seconds = time.perf_counter() - start
    assert min(losses[:20]) < 0.06
    assert losses[-1] < 0.045
    assert seconds < 120
