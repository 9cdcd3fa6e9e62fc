"""A multilayer perceptron in plain Python, for reading: loops over lists of floats, with ``math`` alone.

One hidden layer of sigmoid units, then softmax with cross-entropy, trained one example at a time.  With row
vectors and weights of shape (n_in, n_out), as everywhere in this package, the network is ::

    z = x W + b        h_j = sigmoid(z_j)        o = h V + c        y = softmax(o)        loss = -log y_target

and the chain rule, followed from the loss back to the input, gives ::

    do_k = y_k - [k = target]                      dV_jk = h_j do_k        dc_k = do_k
    dz_j = (sum_k do_k V_jk) h_j (1 - h_j)         dW_ij = x_i dz_j        db_j = dz_j

where ``do`` is short for the derivatives of the loss by ``o``, and [k = target] is 1 for the target, else 0;
docs/gradients.md derives it.  Rows have two or three numbers here, for which ``enumerate`` and ``zip`` take longer
than the arithmetic: the inner loops count by themselves.

The package's other modules do the same with arrays, to any depth and for many examples at once; their tests take
this one as an oracle.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from math import exp, log, sqrt
from typing import NamedTuple


class Layer(NamedTuple):
    """A fully connected layer, ``x @ weights + biases``; or the derivatives of the loss by its numbers.

    Attributes
    ----------
    weights : (n_in, n_out)
        One row for each input, one column for each output.
    biases : (n_out,)
    """

    weights: list[list[float]]
    biases: list[float]


class Network(NamedTuple):
    """The two layers; or the derivatives of the loss by their numbers.

    Attributes
    ----------
    hidden : Layer
        W and b, of shapes (n_in, n_hidden) and (n_hidden,).
    output : Layer
        V and c, of shapes (n_hidden, n_out) and (n_out,).
    """

    hidden: Layer
    output: Layer


def initial(n_in: int, n_hidden: int, n_out: int, seed: int) -> Network:
    """Return a network with random weights and zero biases.

    Hidden units that start equal get equal gradients and stay equal forever; hence random weights.  They are
    drawn uniformly from [-r, r] with r = sqrt(6 / (n_in + n_out)) of their layer: Glorot and Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16.
    """
    generator = random.Random(seed)

    def layer(rows: int, columns: int) -> Layer:
        r = sqrt(6 / (rows + columns))
        weights = [[generator.uniform(-r, r) for _ in range(columns)] for _ in range(rows)]
        return Layer(weights, biases=[0.0] * columns)

    return Network(hidden=layer(n_in, n_hidden), output=layer(n_hidden, n_out))


def sigmoid(z: float) -> float:
    """Return 1 / (1 + exp(-z)), in the form whose exponential cannot overflow."""
    if z >= 0:
        return 1 / (1 + exp(-z))
    exponential = exp(z)
    return exponential / (1 + exponential)


def affine(x: Sequence[float], layer: Layer) -> list[float]:
    """Return ``x @ weights + biases``, (n_out,), for one row ``x``, (n_in,).

    Raises ValueError if ``x`` has another length.
    """
    weights, biases = layer
    if len(x) != len(weights):
        raise ValueError(f"{len(x)} numbers given for a layer of {len(weights)} inputs.")
    total = biases.copy()
    i = 0
    for x_i in x:
        k = 0
        for weight in weights[i]:
            total[k] += x_i * weight
            k += 1
        i += 1
    return total


def forward(network: Network, x: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the hidden activations h, (n_hidden,), and the logits o, (n_out,), of one input, (n_in,)."""
    h = []
    for z_j in affine(x, network.hidden):
        h.append(sigmoid(z_j))
    o = affine(h, network.output)
    return h, o


def softmax_cross_entropy(o: list[float], target: int) -> tuple[float, list[float]]:
    """Return the loss, -log y_target, and its derivatives by the logits, y_k - [k = target].

    y_k = exp(o_k) / sum(exp(o)) does not change when one number is subtracted from every logit.  With the
    largest subtracted, no exponential overflows, and their sum is at least 1.  The loss is written as
    log(sum(exp(o))) - o_target, since a small y_target would be rounded to 0, which has no logarithm.
    """
    largest = max(o)
    exponentials = []
    total = 0.0
    for o_k in o:
        exponential = exp(o_k - largest)
        exponentials.append(exponential)
        total += exponential
    do = []
    for exponential in exponentials:
        do.append(exponential / total)
    do[target] -= 1
    return log(total) - (o[target] - largest), do


def backward(output: Layer, h: list[float], do: list[float]) -> list[float]:
    """Return ``dz``, (n_hidden,): the derivatives of the loss by the hidden units' sums z, before the sigmoid."""
    dz = []
    weights = output.weights
    j = 0
    for h_j in h:
        dh_j = 0.0
        k = 0
        for weight in weights[j]:
            dh_j += do[k] * weight
            k += 1
        j += 1
        dz.append(dh_j * h_j * (1 - h_j))  # sigmoid'(z) = sigmoid(z) (1 - sigmoid(z))
    return dz


def loss(network: Network, x: Sequence[float], target: int) -> float:
    """Return the cross-entropy of one input, (n_in,), whose class is ``target``."""
    _, o = forward(network, x)
    return softmax_cross_entropy(o, target)[0]


def gradients(network: Network, x: Sequence[float], target: int) -> Network:
    """Return the derivatives of one example's loss by every weight and bias, arranged like the network."""
    h, o = forward(network, x)
    _, do = softmax_cross_entropy(o, target)
    dz = backward(network.output, h, do)
    dW = [[x_i * dz_j for dz_j in dz] for x_i in x]
    dV = [[h_j * do_k for do_k in do] for h_j in h]
    return Network(hidden=Layer(dW, dz), output=Layer(dV, do))


def step(network: Network, x: Sequence[float], target: int, learning_rate: float) -> float:
    """Take one step of gradient descent, changing ``network``; return the example's loss before the step.

    A weight's gradient is a product of two factors, subtracted as it is computed: no list of gradients is built.
    """
    h, o = forward(network, x)
    example_loss, do = softmax_cross_entropy(o, target)
    dz = backward(network.output, h, do)  # before the output layer changes
    _descend(network.output, h, do, learning_rate)
    _descend(network.hidden, x, dz, learning_rate)
    return example_loss


def _descend(layer: Layer, x: Sequence[float], delta: list[float], learning_rate: float) -> None:
    """Subtract ``learning_rate`` times the layer's gradients, x_i delta_k and delta_k, in place."""
    weights, biases = layer
    k = 0
    for delta_k in delta:
        biases[k] -= learning_rate * delta_k
        k += 1
    i = 0
    for x_i in x:
        row = weights[i]
        rate = learning_rate * x_i
        k = 0
        for delta_k in delta:
            row[k] -= rate * delta_k
            k += 1
        i += 1


def train(
    network: Network,
    points: Collection[Collection[float]],
    labels: Collection[int],
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
) -> list[float]:
    """Train by stochastic gradient descent, one example at a time in random order, changing ``network``.

    Parameters
    ----------
    network : Network
    points : (examples, n_in)
    labels : (examples,)
        Classes, from 0 to n_out - 1.
    epochs : int
        The number of passes over the examples.
    learning_rate : float
    seed : int
        The seed of the examples' order, which is drawn anew for each epoch.

    Returns
    -------
    (epochs,)
        The mean of each epoch's losses, each taken just before the step on its example.

    Raises
    ------
    ValueError
        If there are no points, the numbers of labels and points differ, a point does not have the length of the
        network's input, or a label is not one of its classes.
    """
    examples = _checked_examples(network, points, labels)
    generator = random.Random(seed)
    losses = []
    for _ in range(epochs):
        generator.shuffle(examples)
        total = 0.0
        for x, target in examples:
            total += step(network, x, target, learning_rate)
        losses.append(total / len(examples))
    return losses


def _checked_examples(
    network: Network, points: Collection[Collection[float]], labels: Collection[int]
) -> list[tuple[tuple[float, ...], int]]:
    """Check the points and labels and pair them, as tuples of Python's own numbers, which are quickest to read."""
    n_in, classes = len(network.hidden.weights), len(network.output.biases)
    if len(points) == 0 or len(points) != len(labels):
        raise ValueError(f"{len(points)} points and {len(labels)} labels given; give one label for each point.")
    examples = [(tuple(map(float, x)), int(label)) for x, label in zip(points, labels, strict=True)]
    for x, label in examples:
        if len(x) != n_in:
            raise ValueError(f"A point of {len(x)} numbers given; this network takes points of {n_in}.")
        if not 0 <= label < classes:
            raise ValueError(f"The label {label} given; this network's classes are 0 to {classes - 1}.")
    return examples
