"""Training in plain NumPy, float64: it shares nothing with the tested code but the given arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class Trace:
    """Record of a training.

    Attributes
    ----------
    batch_losses : list of float
        The mean loss of each batch before its update.
    epoch_losses, epoch_accuracies : list of float
        Means over all examples of the epoch, each as its batch met it.
    weights : list of arrays
        Weights and biases, layer after layer, at the end.
    """

    batch_losses: list[float]
    epoch_losses: list[float]
    epoch_accuracies: list[float]
    weights: list[Floats]


def train(
    x: Floats,
    labels: npt.NDArray[np.int64],
    parameters: Sequence[tuple[Floats, Floats]],
    orders: Sequence[npt.NDArray[np.int64]],
    rates: Sequence[npt.ArrayLike],
    batch_size: int,
    weight_decay: npt.ArrayLike = 0.0,
    steps: int | None = None,
) -> Trace:
    """SGD on a network of tanh layers under softmax with cross-entropy.

    Parameters
    ----------
    x : (n, n_in)
    labels : (n,)
    parameters : list of (weights, biases)
        To begin with.
    orders, rates
        Of each epoch; a rate may be one for each of its steps, (epochs, steps).
    weight_decay : float or (epochs, steps)
    steps : int, optional
        After how many to stop; all where not given.
    """
    weights = [w.copy() for w, _ in parameters]
    biases = [b.copy() for _, b in parameters]
    trace = Trace([], [], [], [])
    shape = len(orders), -(-len(orders[0]) // batch_size)
    rates = np.broadcast_to(np.reshape(rates, (len(rates), -1)), shape)
    decays = np.broadcast_to(weight_decay, shape)
    for order, epoch_rates, epoch_decays in zip(orders, rates, decays, strict=True):
        losses, correct = [], 0
        for start, rate, decay in zip(range(0, len(order), batch_size), epoch_rates, epoch_decays, strict=True):
            if len(trace.batch_losses) == steps:
                break
            rows = order[start : start + batch_size]
            inputs = [x[rows]]
            for w, b in zip(weights[:-1], biases[:-1], strict=True):
                inputs.append(np.tanh(inputs[-1] @ w + b))
            outputs = inputs[-1] @ weights[-1] + biases[-1]
            shifted = outputs - outputs.max(axis=1, keepdims=True)
            total = np.exp(shifted).sum(axis=1, keepdims=True)
            probabilities = np.exp(shifted) / total
            here = np.arange(len(rows))
            loss = np.log(total[:, 0]) - shifted[here, labels[rows]]
            losses.extend(loss)
            trace.batch_losses.append(loss.mean())
            correct += (outputs.argmax(axis=1) == labels[rows]).sum()
            error = probabilities.copy()
            error[here, labels[rows]] -= 1
            error /= len(rows)
            for layer in reversed(range(len(weights))):
                slope, shift = inputs[layer].T @ error, error.sum(axis=0)
                error = (error @ weights[layer].T) * (1 - inputs[layer] ** 2)
                weights[layer] = weights[layer] - rate * (slope + decay * weights[layer])
                biases[layer] = biases[layer] - rate * shift
        trace.epoch_losses.append(float(np.mean(losses)) if losses else float("nan"))
        trace.epoch_accuracies.append(correct / len(order))
    trace.weights = [leaf for layer in zip(weights, biases, strict=True) for leaf in layer]
    return trace
