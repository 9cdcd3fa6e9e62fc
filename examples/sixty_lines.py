"""Train a network on handwritten digits: ``python sixty_lines.py [numpy | torch | jax | cupy | array_api_strict]``."""

import sys
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from xpmlp import nn, optim
from xpmlp.nn.layers import activation, chain, dense

EPOCHS, BATCH_SIZE, LEARNING_RATE, N_TRAIN = 10, 50, 0.01, 1500


def array_library(name: str) -> Any:
    """Return the namespace of an array library, as defined by the array API standard."""
    modules = {"jax": "jax.numpy", "array_api_strict": "array_api_strict"}
    return import_module(modules.get(name, f"array_api_compat.{name}"))


def main(library: str = "numpy") -> None:
    """Train, and print the accuracy on digits not used for training."""
    xp = array_library(library)
    ops, rng = nn.pure_ops(xp), np.random.default_rng(0)

    # the data: pixels between 0 and 1, and rows of the identity matrix for the classes
    images, labels = load_digits(return_X_y=True)
    shuffled = rng.permutation(len(images))
    x = xp.asarray(images[shuffled] / 16, dtype=xp.float32)
    targets = xp.take(xp.eye(10, dtype=xp.float32), xp.asarray(labels[shuffled]), axis=0)

    # the network: a chain of layers, built for 64 inputs; its parameters are drawn on the host
    network = chain(dense(64), activation("relu"), dense(10))(64)
    parameters = [
        nn.DenseParameters(*(xp.asarray(array, dtype=xp.float32) for array in layer)) for layer in network.init(rng)
    ]

    # the optimiser: two functions, and a state passed in and out
    optimizer = optim.adam(network.kinds)
    state, hyperparameters = optimizer.init(parameters), optim.Hyperparameters(LEARNING_RATE)

    for epoch in range(1, EPOCHS + 1):
        order, total = rng.permutation(N_TRAIN), 0.0
        for start in range(0, N_TRAIN, BATCH_SIZE):
            rows = xp.asarray(order[start : start + BATCH_SIZE])
            batch, wanted = xp.take(x, rows, axis=0), xp.take(targets, rows, axis=0)

            logits, residuals = network.forward(ops, parameters, batch, ())
            losses, delta = nn.cross_entropy(ops, logits, wanted)
            _, factors = network.backward(ops, parameters, residuals, delta, False)
            gradients = network.gradients(ops, factors, batch.shape[0])
            parameters, state = optimizer.update(ops, parameters, gradients, state, hyperparameters)
            total += float(xp.sum(losses))
        print(f"epoch {epoch}: mean loss {total / N_TRAIN:.4f}")

    logits, _ = network.forward(ops, parameters, x[N_TRAIN:, :], ())
    right = xp.argmax(logits, axis=-1) == xp.argmax(targets[N_TRAIN:, :], axis=-1)
    print(f"{library}: accuracy {float(xp.mean(xp.astype(right, xp.float32))):.4f} on {right.shape[0]} other digits")


if __name__ == "__main__":
    main(*sys.argv[1:])
