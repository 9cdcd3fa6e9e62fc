"""A training in float64 NumPy, written from the textbook for one purpose: every backend is held against it.

It shares no code with what it checks: it imports neither `xpmlp.nn` nor `xpmlp.optim`, and it is written for reading,
not for speed.  Derivatives are taken from the pre-activations and not from the activations, gradients are means of
outer products, and finite differences of its own loss say whether they are right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from xpmlp.config import TrainConfig

Floats: TypeAlias = npt.NDArray[np.float64]

ReferenceLayer: TypeAlias = tuple[Floats, Floats]
"""Weights (n_in, n_out) and biases (1, n_out), or the derivatives by them."""


class Activation(NamedTuple):
    """A function of the pre-activation and its derivative, both elementwise."""

    function: Callable[[Floats], Floats]
    derivative: Callable[[Floats], Floats]


def _sigmoid(z: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(-z) may become infinite, and the quotient 0
        return 1 / (1 + np.exp(-z))


def _logistic_slope(z: Floats) -> Floats:
    return _sigmoid(z) * _sigmoid(-z)


def _below(z: Floats) -> Floats:
    return np.minimum(z, 0)


def _gelu_sum(z: Floats) -> Floats:
    result: Floats = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    return result


_LAMBDA, _ALPHA = 1.0507009873554805, 1.6732632423543772

ACTIVATIONS = {
    "sigmoid": Activation(_sigmoid, _logistic_slope),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": Activation(lambda z: np.where(z > 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "identity": Activation(lambda z: z, np.ones_like),
    "leaky_relu": Activation(lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": Activation(lambda z: np.where(z > 0, z, np.expm1(_below(z))), lambda z: np.exp(_below(z))),
    "selu": Activation(
        lambda z: _LAMBDA * np.where(z > 0, z, _ALPHA * np.expm1(_below(z))),
        lambda z: _LAMBDA * np.where(z > 0, 1.0, _ALPHA * np.exp(_below(z))),
    ),
    "gelu": Activation(
        lambda z: z * _sigmoid(2 * _gelu_sum(z)),
        lambda z: (
            _sigmoid(2 * _gelu_sum(z))
            + z * _logistic_slope(2 * _gelu_sum(z)) * math.sqrt(8 / math.pi) * (1 + 0.134145 * z**2)
        ),
    ),
    "silu": Activation(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) + z * _logistic_slope(z)),
    "mish": Activation(
        lambda z: z * np.tanh(np.logaddexp(0, z)),
        lambda z: np.tanh(np.logaddexp(0, z)) + z * _sigmoid(z) / np.cosh(np.minimum(np.logaddexp(0, z), 300)) ** 2,
    ),
    "softplus": Activation(lambda z: np.logaddexp(0, z), _sigmoid),
    "scaled_tanh": Activation(
        lambda z: 1.7159 * np.tanh(2 * z / 3), lambda z: 1.7159 * 2 / 3 * (1 - np.tanh(2 * z / 3) ** 2)
    ),
}

KINKED = ("relu", "leaky_relu", "selu")
"""The activations whose derivative jumps at 0."""


Loss: TypeAlias = Callable[..., tuple[Floats, Floats]]
"""(logits (batch, n_out), stored targets, parameters by name) -> (loss (batch,), its derivative by the logits)."""


def _cross_entropy(logits: Floats, labels: npt.NDArray[Any], label_smoothing: float = 0.0) -> tuple[Floats, Floats]:
    """``-sum_k t_k log p_k`` and ``p - t``, with ``p_k = exp(o_k) / sum_j exp(o_j)``; ``labels`` (batch,).

    ``t_k = (1 - label_smoothing) [k = label] + label_smoothing / n_out``.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    classes = logits.shape[1]
    targets = (1 - label_smoothing) * np.eye(classes)[labels] + label_smoothing / classes
    return -(targets * log_probabilities).sum(axis=1), np.exp(log_probabilities) - targets


def _logistic(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``-sum (t log p + (1 - t) log(1 - p))`` and ``p - t``, with ``p = sigmoid(o)``; ``targets`` (batch, n_out)."""
    log_yes, log_no = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return -(targets * log_yes + (1 - targets) * log_no).sum(axis=1), np.exp(log_yes) - targets


def _squared(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum (o - t)**2 / 2`` and ``o - t``; ``targets`` (batch, n_out)."""
    return ((logits - targets) ** 2).sum(axis=1) / 2, logits - targets


def _poisson(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum (t log(t / y) - t + y)`` and ``y - t``, with ``y = exp(o)`` and ``0 log 0 = 0``; (batch, n_out)."""
    expected = np.exp(logits)
    ratio = np.where(targets > 0, targets, 1.0) / expected
    return (targets * np.log(ratio) - targets + expected).sum(axis=1), expected - targets


def _absolute(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum |o - t|`` and its sign; ``targets`` (batch, n_out)."""
    return np.abs(logits - targets).sum(axis=1), np.sign(logits - targets)


def _huber(logits: Floats, targets: npt.NDArray[Any], huber_delta: float) -> tuple[Floats, Floats]:
    """With ``e = o - t``: ``e**2 / 2`` up to ``huber_delta``, ``huber_delta (|e| - huber_delta / 2)`` beyond."""
    error = logits - targets
    far = np.abs(error) > huber_delta
    loss = np.where(far, huber_delta * (np.abs(error) - huber_delta / 2), error**2 / 2)
    return loss.sum(axis=1), np.where(far, huber_delta * np.sign(error), error)


def _quantile(logits: Floats, targets: npt.NDArray[Any], quantiles: Sequence[float]) -> tuple[Floats, Floats]:
    """``sum_q (q (t - o)`` above, ``(1 - q) (o - t)`` below the output); ``targets`` (batch, 1)."""
    levels, below = np.asarray(quantiles), targets < logits
    loss = np.where(below, (1 - levels) * (logits - targets), levels * (targets - logits))
    return loss.sum(axis=1), np.where(below, 1 - levels, -levels)


LOSSES: dict[str, Loss] = {
    "cross_entropy": _cross_entropy,
    "logistic": _logistic,
    "squared": _squared,
    "poisson": _poisson,
    "absolute": _absolute,
    "huber": _huber,
    "quantile": _quantile,
}


class Batch(NamedTuple):
    """Some examples.

    Attributes
    ----------
    x : (batch, n_in)
    targets : (batch,) or (batch, n_out)
        As the data set stores them: class indices for cross-entropy, values for the other losses.
    weights : (batch,), optional
        How much each example counts.
    masks : sequence of (batch, width), optional
        What dropout multiplies each hidden layer's output by.
    """

    x: Floats
    targets: npt.NDArray[Any]
    weights: Floats | None = None
    masks: Sequence[Floats] = ()


class Pass(NamedTuple):
    """What one batch gives, forward and backward.

    Attributes
    ----------
    preactivations : list of (batch, n_out)
        Of each layer; the last are the logits.
    activations : list of (batch, width)
        Of each hidden layer, after dropout.
    loss : (batch,)
        Of each example, times its weight over the mean weight of the batch.
    deltas : list of (batch, n_out)
        The derivative of each example's loss, so weighted, by each layer's pre-activations.
    gradients : list of (weights (n_in, n_out), biases (1, n_out))
        Of the mean loss.
    """

    preactivations: list[Floats]
    activations: list[Floats]
    loss: Floats
    deltas: list[Floats]
    gradients: list[ReferenceLayer]


class ReferenceNetwork(NamedTuple):
    """The names of each hidden layer's activation, and of the loss, with its parameters."""

    hidden: tuple[str, ...]
    loss: str
    settings: tuple[tuple[str, Any], ...] = ()


def forward_backward(network: ReferenceNetwork, parameters: list[ReferenceLayer], batch: Batch) -> Pass:
    """One batch through the network, whose ``parameters`` go from input to output, and back."""
    functions = [ACTIVATIONS[name] for name in network.hidden]
    masks = batch.masks or [np.ones(())] * len(functions)
    preactivations: list[Floats] = []
    inputs = [batch.x]
    for (weights, biases), function, mask in itertools.zip_longest(parameters, functions, masks):
        preactivations.append(inputs[-1] @ weights + biases)
        if function is not None:
            inputs.append(function.function(preactivations[-1]) * mask)
    loss, delta = LOSSES[network.loss](preactivations[-1], batch.targets, **dict(network.settings))
    if batch.weights is not None:
        relative = batch.weights / batch.weights.mean()
        loss, delta = loss * relative, delta * relative[:, None]
    deltas = [delta]
    for index in range(len(functions) - 1, -1, -1):
        weights, _ = parameters[index + 1]
        slope = functions[index].derivative(preactivations[index])
        deltas.insert(0, deltas[0] @ weights.T * masks[index] * slope)
    size = len(batch.x)
    gradients = [
        (np.einsum("bi,bo->io", a, d, optimize=True) / size, d.sum(axis=0, keepdims=True) / size)
        for a, d in zip(inputs, deltas, strict=True)
    ]
    return Pass(preactivations, inputs[1:], loss, deltas, gradients)


class ReferenceTraining:
    """A network in training.

    Attributes
    ----------
    parameters : list of (weights, biases)
        Replaced, never overwritten, by each step.
    """

    def __init__(self, network: ReferenceNetwork, train: TrainConfig, parameters: list[ReferenceLayer]) -> None:
        self.network, self.train = network, train
        self.parameters = parameters
        self._steps = 0
        self._first = [np.zeros_like(leaf) for layer in parameters for leaf in layer]
        self._second = [np.zeros_like(leaf) for layer in parameters for leaf in layer]

    def step(self, batch: Batch) -> Pass:
        """Train on one batch, and return what it gave before the update."""
        result = forward_backward(self.network, self.parameters, batch)
        self._steps += 1
        updated = []
        for index, (layer, slopes) in enumerate(zip(self.parameters, self._clipped(result.gradients), strict=True)):
            (weights, biases), (by_weights, by_biases) = layer, slopes
            if self.train.optimizer == "adamw":
                weights = weights * (1 - self._rate("weights") * self.train.weight_decay)
            else:
                by_weights = by_weights + self.train.weight_decay * weights
            moved = self._moved(2 * index, "weights", weights, by_weights)
            updated.append((moved, self._moved(2 * index + 1, "biases", biases, by_biases)))
        self.parameters = updated
        return result

    def _clipped(self, gradients: list[ReferenceLayer]) -> list[ReferenceLayer]:
        """The gradients, scaled to the largest norm that is allowed if theirs is larger (Pascanu et al. 2013)."""
        norm = math.sqrt(sum(float((leaf**2).sum()) for layer in gradients for leaf in layer))
        if self.train.clip_norm is None or not norm > self.train.clip_norm:
            return gradients
        factor = self.train.clip_norm / norm
        return [(by_weights * factor, by_biases * factor) for by_weights, by_biases in gradients]

    def _rate(self, kind: str) -> float:
        return self.train.learning_rate * (self.train.rates or {}).get(kind, 1.0)

    def _moved(self, leaf: int, kind: str, value: Floats, gradient: Floats) -> Floats:
        """A parameter array after the optimiser's step; ``leaf`` is the place of what it remembers of it.

        Momentum (Polyak 1964) and Nesterov's (Sutskever et al. 2013) in scikit-learn's form; Adam (Kingma and Ba
        2015) in the form at the end of their section 2, and in that of their algorithm 1 with decoupled decay
        (Loshchilov and Hutter 2019).
        """
        train, first, second = self.train, self._first, self._second
        rate, mass = self._rate(kind), train.momentum
        match train.optimizer:
            case "sgd":
                return value - rate * gradient
            case "momentum":
                first[leaf] = mass * first[leaf] - rate * gradient
                return value + first[leaf]
            case "nesterov":
                first[leaf] = mass * first[leaf] - rate * gradient
                return value + mass * first[leaf] - rate * gradient
            case "adam":
                first[leaf] = train.beta_1 * first[leaf] + (1 - train.beta_1) * gradient
                second[leaf] = train.beta_2 * second[leaf] + (1 - train.beta_2) * gradient**2
                correction = math.sqrt(1 - train.beta_2**self._steps) / (1 - train.beta_1**self._steps)
                return value - rate * correction * first[leaf] / (np.sqrt(second[leaf]) + train.epsilon)
            case "adamw":
                first[leaf] = train.beta_1 * first[leaf] + (1 - train.beta_1) * gradient
                second[leaf] = train.beta_2 * second[leaf] + (1 - train.beta_2) * gradient**2
                mean = first[leaf] / (1 - train.beta_1**self._steps)
                return value - rate * mean / (np.sqrt(second[leaf] / (1 - train.beta_2**self._steps)) + train.epsilon)
            case other:
                raise ValueError(f"the reference does not know the optimiser {other!r}")


def finite_difference_errors(
    network: ReferenceNetwork,
    parameters: list[ReferenceLayer],
    batch: Batch,
    *,
    entries: int = 30,
    step: float = 1e-5,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """How far the reference's gradients are from central differences of its mean loss.

    A place where a unit passes a kink, as relu's, between the two losses is left out: there is no derivative to
    compare with.

    Parameters
    ----------
    entries : int
        Places in each array: the one of the largest gradient, the others at random.
    step : float
        To each side.

    Returns
    -------
    errors : list of (weights, biases)
        For each layer, ``max|difference - gradient| / max|gradient|`` over the places.
    """
    rng = np.random.default_rng(seed)
    gradients = forward_backward(network, parameters, batch).gradients

    def shifted(layer: int, part: int, place: int, by: float) -> Pass:
        changed = [[leaf.copy() for leaf in one] for one in parameters]
        changed[layer][part].flat[place] += by
        return forward_backward(network, [(weights, biases) for weights, biases in changed], batch)

    def error(layer: int, part: int) -> float:
        gradient = gradients[layer][part].ravel()
        largest = int(np.argmax(np.abs(gradient)))
        worst = 0.0
        for place in {largest, *rng.choice(gradient.size, min(entries, gradient.size), replace=False).tolist()}:
            above, below = (shifted(layer, part, place, by) for by in (step, -step))
            if not _kink_between(network, above, below):
                slope = (above.loss.mean() - below.loss.mean()) / (2 * step)
                worst = max(worst, float(abs(slope - gradient[place])))
        return worst / (float(abs(gradient[largest])) or 1.0)

    return [(error(layer, 0), error(layer, 1)) for layer in range(len(parameters))]


def _kink_between(network: ReferenceNetwork, above: Pass, below: Pass) -> bool:
    """Whether a unit with a kink is on different sides of zero, or an output on different sides of its target."""
    layers = zip(network.hidden, above.preactivations, below.preactivations, strict=False)
    if network.loss in ("absolute", "quantile") and (above.deltas[-1] != below.deltas[-1]).any():
        return True
    return any(name in KINKED and bool(((a > 0) != (b > 0)).any()) for name, a, b in layers)
