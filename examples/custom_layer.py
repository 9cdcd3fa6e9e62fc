"""A custom layer: Swish with a trained slope for each unit, checked against finite differences and trained.

``y = x s(slope x)`` with ``s`` the sigmoid function: Ramachandran, Zoph and Le, Searching for activation functions,
2017.
"""

from typing import Any

import array_api_compat.numpy as xp
import numpy as np
from sklearn.datasets import load_digits

from xpmlp import nn, optim
from xpmlp.nn import Layer, Ops
from xpmlp.nn.layer import LayerMaker, Slot
from xpmlp.nn.layers import chain, dense


def swish() -> LayerMaker:
    """Return the maker of the layer; settings would be its arguments."""

    def make(width: Any) -> Layer:
        return Layer.of("swish", {}, width, Slot("scales", 1, width, 1.0), forward, backward, gradients)

    return make


def forward(ops: Ops, slope: Any, x: Any, noise: Any) -> tuple[Any, Any]:
    """Return the output, and what the backward pass needs."""
    gate = 1 / (1 + ops.xp.exp(-slope * x))
    return x * gate, (x, gate)


def backward(ops: Ops, slope: Any, residuals: Any, upstream: Any, wanted: bool) -> tuple[Any, Any]:
    """Compute ``dy/dx = s + slope x s (1 - s)``, and for each example ``dy/dslope = x**2 s (1 - s)``."""
    x, gate = residuals
    bend = x * gate * (1 - gate)
    return upstream * (gate + slope * bend), upstream * x * bend


def gradients(ops: Ops, factors: Any, divisor: Any) -> Any:
    """Sum over the batch, and divide by its size or by the sum of its weights."""
    return ops.xp.sum(factors, axis=-2, keepdims=True) / divisor


def largest_difference(network: Layer, parameters: Any, x: Any, targets: Any, step: float = 1e-6) -> float:
    """Compare the gradients with finite differences of the mean loss, over all parameters."""
    difference = 0.0
    for array, slopes in zip(arrays(parameters), arrays(mean_gradients(network, parameters, x, targets)), strict=True):
        for place in np.ndindex(*array.shape):
            losses, value = [], array[place]
            for array[place] in (value + step, value - step):
                losses.append(mean_loss(network, parameters, x, targets))
            array[place] = value
            difference = max(difference, abs((losses[0] - losses[1]) / (2 * step) - slopes[place]))
    return difference


def arrays(parameters: Any) -> list[Any]:
    """Draw the parameters of a dense layer, of the custom layer and of another dense layer."""
    (weights, biases), slope, (last_weights, last_biases) = parameters
    return [weights, biases, slope, last_weights, last_biases]


def mean_loss(network: Layer, parameters: Any, x: Any, targets: Any) -> float:
    """Compute the outputs for a batch."""
    logits, _ = network.forward(OPS, parameters, x, ())
    return float(xp.mean(nn.cross_entropy(OPS, logits, targets)[0]))


def mean_gradients(network: Layer, parameters: Any, x: Any, targets: Any) -> Any:
    """Compute the gradients for a batch, in the structure of the parameters."""
    logits, residuals = network.forward(OPS, parameters, x, ())
    _, delta = nn.cross_entropy(OPS, logits, targets)
    _, factors = network.backward(OPS, parameters, residuals, delta, False)
    return network.gradients(OPS, factors, x.shape[0])


OPS = nn.pure_ops(xp)


def main() -> None:
    """Check the layer within a network, then train the network."""
    rng = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    shuffled = rng.permutation(len(images))
    x, labels = images[shuffled] / 16, labels[shuffled]
    targets = np.eye(10)[labels]

    small = chain(dense(3), swish(), dense(2))(4)
    difference = largest_difference(small, small.init(rng), rng.normal(size=(5, 4)), np.eye(2)[[0, 1, 1, 0, 1]])
    print(f"largest difference from finite differences: {difference:.1e}")
    assert difference < 1e-8

    network = chain(dense(32), swish(), dense(10))(64)
    optimizer, parameters = optim.adam(network.kinds), network.init(rng)
    state, rate = optimizer.init(parameters), optim.Hyperparameters(0.005)
    for _ in range(500):
        rows = rng.integers(0, 1500, 50)
        slopes = mean_gradients(network, parameters, x[rows], targets[rows])
        parameters, state = optimizer.update(OPS, parameters, slopes, state, rate)
    logits, _ = network.forward(OPS, parameters, x[1500:], ())
    print(f"swish: accuracy {np.mean(np.argmax(logits, axis=-1) == labels[1500:]):.4f} on 297 other digits")


if __name__ == "__main__":
    main()
