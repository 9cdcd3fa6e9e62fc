"""Fitting by SciPy's L-BFGS on the host, with the core's loss and gradients over all examples."""

from __future__ import annotations

import functools
import math
import operator
import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeResult, minimize
from sklearn.utils.optimize import _check_optimize_result

from xpmlp import nn
from xpmlp._streams import SafeStream
from xpmlp._tree import map_leaves
from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.backend import Backend, Step
from xpmlp.estimator.places import to_host
from xpmlp.estimator.samples import stretch
from xpmlp.estimator.trainable import EstimatorTrainable
from xpmlp.nn import Network
from xpmlp.training.inference import BATCH
from xpmlp.training.segments import segments
from xpmlp.training.stack import as_stack, one_of
from xpmlp.training.step import Examples, take_rows


class _Constants(NamedTuple):
    examples: Examples
    parameters: Parameters
    divisor: float


@functools.lru_cache(maxsize=64)
def _gradient_step(network: Network, backend: Backend) -> Step:
    """Build (gradients, (rows,), constants) -> (gradients, (loss,)): a batch's part of the mean loss and gradients."""
    ops, loss = backend.ops, network.loss

    def step(
        gradients: list[DenseParameters], batch: tuple[Array, ...], constants: _Constants
    ) -> tuple[list[DenseParameters], tuple[Array, ...]]:
        examples, parameters, divisor = constants
        (rows,) = batch
        x = ops.xp.astype(take_rows(ops, examples.features, rows), backend.dtype, copy=False)
        logits, residuals = network.root.forward(ops, parameters, x[None, ...], ())
        targets = loss.encode(ops, take_rows(ops, examples.targets, rows[None, ...]), examples.classes, logits.dtype)
        weights = None if examples.weights is None else take_rows(ops, examples.weights, rows[None, ...])
        values, delta = nn.weighted(loss.value(ops, logits, targets), loss.delta(ops, logits, targets), weights)
        _, factors = network.root.backward(ops, parameters, residuals, delta, False)
        added = network.root.gradients(ops, factors, divisor)
        return map_leaves(operator.add, gradients, added), (ops.xp.sum(values) / divisor,)

    return step


class _Objective:
    """The penalised loss and its gradient, as functions of all parameters in one float64 vector on the host.

    Parameters
    ----------
    trainable : EstimatorTrainable
    alpha : float
        The penalty, in scikit-learn's form.
    """

    def __init__(self, trainable: EstimatorTrainable, alpha: float) -> None:
        self.trainable, self.alpha = trainable, alpha
        self.shapes = [leaf.shape for leaf in _leaves(trainable.initial)]
        weights = trainable.samples.weights
        self.divisor = float(len(trainable.samples) if weights is None else weights.sum())

    def __call__(self, vector: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """Compute the objective and its gradient at a point."""
        trainable, backend = self.trainable, self.trainable.backend
        step, host = _gradient_step(trainable.network, backend), self.layers(vector)
        parameters = backend.parameters(as_stack(host))
        gradients = backend.parameters(as_stack(map_leaves(np.zeros_like, host)))
        loss = 0.0
        for segment in segments(trainable.n_examples, stretch(trainable.samples.features, 1, BATCH)):
            for number in range(segment.steps):
                start = segment.start + number * segment.batch
                rows, examples = trainable.fetch(trainable.rows[None, start : start + segment.batch])
                constants = _Constants(examples, parameters, self.divisor)
                gradients, (part,) = backend.scan(step, gradients, (rows,), constants)
                loss += float(backend.to_numpy(part)[0])
        strength = self.alpha / self.divisor
        gradients = one_of(gradients)
        slopes = [
            DenseParameters(backend.to_numpy(slope.weights) + strength * layer.weights, backend.to_numpy(slope.biases))
            for slope, layer in zip(gradients, host, strict=True)
        ]
        return loss + self.penalty(vector), self.vector(slopes)

    def penalty(self, vector: npt.NDArray[np.float64]) -> float:
        """Compute the penalty's part of the objective."""
        squares = sum(float(np.vdot(layer.weights, layer.weights)) for layer in self.layers(vector))
        return 0.5 * self.alpha / self.divisor * squares

    def vector(self, layers: Parameters) -> npt.NDArray[np.float64]:
        """Flatten parameters on the host to one vector."""
        return np.concatenate([np.asarray(leaf, dtype=np.float64).reshape(-1) for leaf in _leaves(layers)])

    def layers(self, vector: npt.NDArray[np.float64]) -> Parameters:
        """Reshape a vector to parameters, on the host."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), self.shapes, strict=True)]
        half = len(parts) // 2
        return [DenseParameters(*pair) for pair in zip(parts[:half], parts[half:], strict=True)]


def _leaves(layers: Parameters) -> list[Array]:
    """List all weights, then all biases: scikit-learn's order."""
    return [layer.weights for layer in layers] + [layer.biases for layer in layers]


def fit_lbfgs(trainable: EstimatorTrainable) -> Parameters:
    """Train an estimator's weights on all examples at once.

    Parameters
    ----------
    trainable : EstimatorTrainable
        Its estimator's ``n_iter_`` and ``loss_`` are set; the caller opens the backend's session.

    Returns
    -------
    parameters : list of DenseParameters
        On the host, in float64.
    """
    estimator = trainable.estimator
    objective = _Objective(trainable, float(estimator.alpha))

    def say(intermediate_result: OptimizeResult) -> None:
        print(f"loss = {intermediate_result.fun:.8f}", file=SafeStream(sys.stdout))

    start = objective.vector([DenseParameters(*map(to_host, layer)) for layer in trainable.initial])
    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    result = minimize(
        objective, start, method="L-BFGS-B", jac=True, options=options, callback=say if estimator.verbose else None
    )
    estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
    penalty = objective.penalty(result.x)
    estimator.loss_ = trainable.share * (float(result.fun) - penalty) + penalty
    return objective.layers(result.x)
