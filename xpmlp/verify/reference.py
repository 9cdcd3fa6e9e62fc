"""Training in float64 NumPy, written from the textbook as the reference for every backend.

It shares no code with the backends: it imports neither `xpmlp.nn` nor `xpmlp.optim`, and it is written for readability,
not for speed.  Its activations and losses are in `xpmlp.verify.formulas`, gradients are means of outer products, and
they are checked by finite differences of its own loss.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from xpmlp.config import TrainConfig
from xpmlp.verify.formulas import ACTIVATIONS, KINKED, Floats, loss_and_delta

ReferenceLayer: TypeAlias = tuple[Floats, ...]
"""Weights (n_in, n_out) and biases (1, n_out), or another layer's parameters; or the derivatives by them."""


UNDECAYED = ("biases", "scales", "state")
"""Kinds of parameters without decay."""

ENTRIES, STEP = 30, 1e-5
"""Finite differences: the number of random places in each array, besides that of the largest gradient, and the step to
each side."""


class Batch(NamedTuple):
    """Batch of examples.

    Attributes
    ----------
    x : (batch, n_in)
    targets : (batch,) or (batch, n_targets)
        As in the data set: class indices for cross-entropy, numbers for the other losses.
    weights : (batch,), optional
        Weights of the examples.
    masks : sequence of (batch, width), optional
        Dropout's factors on each hidden layer's output; or the noise of a network of other layers.
    codes : (batch, columns), optional
    """

    x: Floats
    targets: npt.NDArray[Any]
    weights: Floats | None = None
    masks: Any = ()
    codes: npt.NDArray[np.int32] | None = None


class Pass(NamedTuple):
    """Results of the forward and backward pass of a batch.

    Attributes
    ----------
    preactivations : list of (batch, n_out)
        Of each layer; the last are the logits.  For a network of other layers, only the logits.
    activations : list of (batch, width)
        Of each hidden layer, after dropout; empty for a network of other layers.
    loss : (batch,)
        Of each example, times its weight over the mean weight of the batch.
    deltas : list of (batch, n_out)
        The derivative of each example's loss, so weighted, by each layer's pre-activations; empty for a network of
        other layers.
    gradients : list of (weights (n_in, n_out), biases (1, n_out))
        Of the mean loss.
    """

    preactivations: list[Floats]
    activations: list[Floats]
    loss: Floats
    deltas: list[Floats]
    gradients: list[ReferenceLayer]


class ReferenceNetwork(NamedTuple):
    """Network given by the names of its hidden layers' activations and of its loss, with the loss's parameters."""

    hidden: tuple[str, ...]
    loss: str
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def kinds(self) -> list[tuple[str, ...]]:
        """The kinds of each layer's arrays."""
        return [("weights", "biases")] * (len(self.hidden) + 1)

    @property
    def is_kinked(self) -> bool:
        """Whether the derivative of an activation is discontinuous."""
        return any(name in KINKED for name in self.hidden)

    def passes(self, parameters: list[ReferenceLayer], batch: Batch) -> Pass:
        """Compute the forward and backward pass of a batch, with ``parameters`` from input to output."""
        functions = [ACTIVATIONS[name] for name in self.hidden]
        masks = batch.masks or [np.ones(())] * len(functions)
        preactivations: list[Floats] = []
        inputs = [batch.x]
        for (weights, biases), function, mask in itertools.zip_longest(parameters, functions, masks):
            preactivations.append(inputs[-1] @ weights + biases)
            if function is not None:
                inputs.append(function.function(preactivations[-1]) * mask)
        loss, delta = loss_and_delta(self.loss, self.settings, preactivations[-1], batch.targets, batch.weights)
        deltas = [delta]
        for index in range(len(functions) - 1, -1, -1):
            weights = parameters[index + 1][0]
            slope = functions[index].derivative(preactivations[index])
            deltas.insert(0, deltas[0] @ weights.T * masks[index] * slope)
        size = len(batch.x)
        gradients: list[ReferenceLayer] = [
            (np.einsum("bi,bo->io", a, d, optimize=True) / size, d.sum(axis=0, keepdims=True) / size)
            for a, d in zip(inputs, deltas, strict=True)
        ]
        return Pass(preactivations, inputs[1:], loss, deltas, gradients)


class ReferenceModel(Protocol):
    """Network for the reference: `ReferenceNetwork`, or one of other layers."""

    @property
    def kinds(self) -> list[tuple[str, ...]]:
        """The kinds of each layer's arrays: weights, biases and so on."""

    @property
    def is_kinked(self) -> bool:
        """Whether the derivative of an activation is, or may be, discontinuous."""

    def passes(self, parameters: list[ReferenceLayer], batch: Batch) -> Pass:
        """Compute the forward and backward pass of a batch; the gradient of a "state" is its new value."""


class ReferenceTraining:
    """Reference training of a network.

    Attributes
    ----------
    parameters : list of tuple of arrays
        Parameters of each layer; replaced, never modified in place, by each step.
    """

    def __init__(self, network: ReferenceModel, train: TrainConfig, parameters: list[ReferenceLayer]) -> None:
        self.network, self.train = network, train
        self.parameters = parameters
        self._steps = 0
        self._first = [[np.zeros_like(leaf) for leaf in layer] for layer in parameters]
        self._second = [[np.zeros_like(leaf) for leaf in layer] for layer in parameters]

    def step(self, batch: Batch) -> Pass:
        """Train on one batch, and return its results before the update."""
        result = self.network.passes(self.parameters, batch)
        self._steps += 1
        layers = zip(self.network.kinds, self.parameters, self._clipped(result.gradients), strict=True)
        self.parameters = [
            tuple(self._updated((place, part), *leaf) for part, leaf in enumerate(zip(*layer, strict=True)))
            for place, layer in enumerate(layers)
        ]
        return result

    def _updated(self, place: tuple[int, int], kind: str, value: Floats, gradient: Floats) -> Floats:
        """Return a parameter array after the step and its decay; the n-th of the m-th layer is at ``place`` (m, n)."""
        if kind == "state":
            return gradient
        if kind not in UNDECAYED and self.train.optimizer == "adamw":
            value = value * (1 - self._rate(kind) * self.train.weight_decay)
        elif kind not in UNDECAYED:
            gradient = gradient + self.train.weight_decay * value
        return self._moved(place, kind, value, gradient)

    def _clipped(self, gradients: list[ReferenceLayer]) -> list[ReferenceLayer]:
        """Return the gradients, scaled down to the maximum norm if theirs is larger (Pascanu et al. 2013)."""
        pairs = [list(zip(*layer, strict=True)) for layer in zip(self.network.kinds, gradients, strict=True)]
        norm = math.sqrt(sum(float((leaf**2).sum()) for layer in pairs for kind, leaf in layer if kind != "state"))
        if self.train.clip_norm is None or not norm > self.train.clip_norm:
            return gradients
        factor = self.train.clip_norm / norm
        return [tuple(leaf if kind == "state" else leaf * factor for kind, leaf in layer) for layer in pairs]

    def _rate(self, kind: str) -> float:
        return self.train.learning_rate * (self.train.rates or {}).get(kind, 1.0)

    def _moved(self, place: tuple[int, int], kind: str, value: Floats, gradient: Floats) -> Floats:
        """Return a parameter array after the optimiser's step.

        Momentum (Polyak 1964) and Nesterov's (Sutskever et al. 2013) are in scikit-learn's form; Adam (Kingma and Ba
        2015) is in the form at the end of their section 2, and AdamW in that of their algorithm 1, with decoupled decay
        (Loshchilov and Hutter 2019).
        """
        (layer, leaf), train = place, self.train
        first, second = self._first[layer], self._second[layer]
        rate, mass = self._rate(kind), train.momentum
        match train.optimizer:
            case "sgd":
                return value - rate * gradient
            case "momentum" | "nesterov":
                first[leaf] = mass * first[leaf] - rate * gradient
                return value + (first[leaf] if train.optimizer == "momentum" else mass * first[leaf] - rate * gradient)
            case "adam" | "adamw":
                first[leaf] = train.beta_1 * first[leaf] + (1 - train.beta_1) * gradient
                second[leaf] = train.beta_2 * second[leaf] + (1 - train.beta_2) * gradient**2
                mean = first[leaf] / (1 - train.beta_1**self._steps)
                correction = 1 - train.beta_2**self._steps
                if train.optimizer == "adam":
                    return value - rate * math.sqrt(correction) * mean / (np.sqrt(second[leaf]) + train.epsilon)
                return value - rate * mean / (np.sqrt(second[leaf] / correction) + train.epsilon)
            case other:
                raise ValueError(f"the reference does not know the optimiser {other!r}")


def finite_difference_errors(
    network: ReferenceModel, parameters: list[ReferenceLayer], batch: Batch
) -> list[tuple[float, ...]]:
    """Compare the reference's gradients with central differences of its mean loss.

    Places next to a kink of the loss, such as relu's, are skipped: there is no derivative to compare with.

    Returns
    -------
    errors : list of tuple of float
        For each array of each layer, ``max|difference - gradient| / max|gradient|`` over the places; 0 for "state".
    """
    rng = np.random.default_rng(0)
    at_rest = network.passes(parameters, batch)
    loss = float(at_rest.loss.mean())

    def shifted(layer: int, part: int, place: int, by: float) -> float:
        changed = [[leaf.copy() for leaf in one] for one in parameters]
        changed[layer][part].flat[place] += by
        return float(network.passes([tuple(one) for one in changed], batch).loss.mean())

    def error(layer: int, part: int) -> float:
        gradient = at_rest.gradients[layer][part].ravel()
        largest = int(np.argmax(np.abs(gradient)))
        scale, worst = float(abs(gradient[largest])), 0.0
        for place in {largest, *rng.choice(gradient.size, min(ENTRIES, gradient.size), replace=False).tolist()}:
            (above, below), (nearer, farther) = (
                [shifted(layer, part, place, by) for by in (h, -h)] for h in (STEP, STEP / 2)
            )
            # without a kink, the difference between the slopes on the two sides halves with the step
            bend, half_bend = (above - 2 * loss + below) / STEP, (nearer - 2 * loss + farther) / (STEP / 2)
            if abs(bend - 2 * half_bend) <= 1e-6 * scale + 1e-9 * max(1.0, abs(loss)):
                worst = max(worst, abs((above - below) / (2 * STEP) - float(gradient[place])))
        return worst / (scale or 1.0)

    return [
        tuple(0.0 if kind == "state" else error(layer, part) for part, kind in enumerate(kinds))
        for layer, kinds in enumerate(network.kinds)
    ]
