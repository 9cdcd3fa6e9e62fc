"""Inference: scores on labelled examples and predictions for new ones, both computed by folds, like training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from array_api_compat import numpy as numpy_namespace

from xpmlp._tree import map_leaves
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.data import Part
from xpmlp.data.codes import known_codes
from xpmlp.errors import BackendError
from xpmlp.nn import Criterion, LayerSpec, Network, inverse_temperature, pure_ops
from xpmlp.training.segments import segments
from xpmlp.training.stack import as_stack, runs_of
from xpmlp.training.step import Examples, evaluation_fold, prediction_fold

BATCH = 1000
"""Number of examples in one step: enough for the products to run at full speed."""

EVERY = slice(None)

_HOST = pure_ops(numpy_namespace)


class Score(NamedTuple):
    """The score of a network on a part of a data set.

    Attributes
    ----------
    loss, value : float
        Means over the examples, weighted if they have weights.  The loss (`nn.losses`) determines the metric of
        ``value``: the accuracy, from 0 to 1, or R², at most 1.
    """

    loss: float
    value: float


@dataclass(frozen=True)
class Inference:
    """Evaluation and prediction by a network on a backend, for any parameters.

    Attributes
    ----------
    network : Network
    backend : Backend
    """

    network: Network
    backend: Backend

    @cached_property
    def _evaluation(self) -> Fold:
        return evaluation_fold(self.network, self.backend.ops, self.backend.dtype)

    @cached_property
    def _prediction(self) -> Fold:
        return prediction_fold(self.network, self.backend.ops, self.backend.dtype)

    @cached_property
    def _both(self) -> Fold:
        """The fold for evaluation and prediction by one forward pass, with the outputs of both."""
        evaluation, prediction = self._evaluation.conclude, self._prediction.conclude
        return self._evaluation._replace(conclude=lambda *given: (*evaluation(*given), *prediction(*given)))

    def to_device(self, part: Part) -> Examples:
        """Move a part of a data set to the device: integers in their storage type, others in the backend's.

        Raises
        ------
        BackendError
            If it has more examples than the backend's index type can count.
        """
        backend, n_outputs = self.backend, self.network.root.width
        integers, reals = np.dtype(backend.index_dtype_name), np.dtype(backend.dtype_name)
        if len(part) > (most := np.iinfo(integers).max):
            raise BackendError(
                f"backend {backend.name} counts examples with {integers}, so up to {most:,}, but the data have "
                f"{len(part):,}: choose another backend, for example numpy."
            )
        of_classes = self.network.loss.of_classes
        targets = part.targets if of_classes else part.targets.reshape(len(part), -1)
        return Examples(
            self._placed(part.features),
            backend.asarray(targets.astype(integers if of_classes else reals, copy=False)),
            backend.asarray(np.arange(n_outputs, dtype=integers)),
            backend.asarray(inverse_variance_of(part, n_outputs).astype(reals)),
            None if part.weights is None else backend.asarray(part.weights.astype(reals, copy=False)),
            self._known(part.codes),
        )

    def _known(self, codes: npt.NDArray[Any] | None) -> Array | None:
        return None if codes is None else self.backend.asarray(known_codes(codes, self.network.widths.codes))

    def _placed(self, features: Array) -> Array:
        backend = self.backend
        if not isinstance(features, np.ndarray):
            return backend.adopt(features)
        if features.dtype.kind == "f":
            with np.errstate(over="ignore"):  # infinite values are detected in training
                features = features.astype(backend.dtype_name, copy=False)
        return backend.asarray(features)

    def evaluate(self, parameters: Parameters, examples: Examples) -> list[Score]:
        """Return the score of each stacked run."""
        return self._scores(self._fold(self._evaluation, parameters, examples), examples)

    def evaluate_and_predict(
        self, parameters: Parameters, examples: Examples
    ) -> tuple[list[Score], npt.NDArray[np.float64]]:
        """Return the score of each stacked run, and their predictions, (runs, n, n_out), on the host in float64."""
        outputs = list(self._fold(self._both, parameters, examples))
        predictions = self._joined((prediction for _, _, prediction in outputs), runs_of(parameters))
        scores = self._scores((figures for *figures, _ in outputs), examples)
        return scores, self.backend.to_numpy(predictions).astype(np.float64)

    def _scores(self, segments: Iterable[Sequence[Array]], examples: Examples) -> list[Score]:
        """Return the score of each stacked run from the loss and score, (steps, runs, batch), in each segment."""
        xp, weights = self.backend.xp, examples.weights
        total = examples.targets.shape[0] if weights is None else float(self.backend.to_numpy(xp.sum(weights)))
        sums: Any = 0.0
        for outputs in segments:
            segment = [self.backend.to_numpy(xp.sum(output, axis=(0, -1))) for output in outputs]
            sums = sums + np.asarray(segment, dtype=np.float64)
        return [Score(*map(float, means)) for means in (sums / total).T]

    def predict(
        self, parameters: Parameters, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Predict with one run for preprocessed features.

        Parameters
        ----------
        parameters : list of DenseParameters
            Without a runs axis.
        features : (n, n_in)
        codes : (n, columns), optional

        Returns
        -------
        prediction : (n, n_out)
            Probabilities of the classes for a classifier, else values.
        """
        features = self._placed(features)
        return self.backend.to_numpy(self.outputs(parameters, features, self._known(codes)))

    def outputs(self, parameters: Parameters, features: Array, codes: Array | None = None) -> Array:
        """Predict with one run for features (n, n_in) and codes on the device; return (n, n_out) on the device."""
        none = self.backend.asarray(np.zeros(features.shape[0], self.backend.dtype_name))
        return self._predictions(as_stack(parameters), Examples(features, none, none, none, codes=codes))[0, ...]

    def judged(
        self,
        criterion: Criterion,
        prediction: npt.NDArray[np.float64],
        examples: Examples,
        rows: slice | npt.NDArray[np.bool_] = EVERY,
    ) -> list[float]:
        """Compute a criterion for each run from predictions (runs, n, n_out) on the host, on some of the rows."""
        figures = criterion.value(_HOST, prediction[:, rows], *self._truth(examples, rows))
        return [float(figure) for figure in figures]

    def sharpening(
        self,
        prediction: npt.NDArray[np.float64],
        examples: Examples,
        rows: slice | npt.NDArray[np.bool_] = EVERY,
        *,
        cautious: bool = False,
    ) -> float:
        """Fit the factor on logits, 1 over the best temperature, for probabilities (n, n_out), on some of the rows.

        A cautious factor stays near 1 unless many examples contradict it: see `xpmlp.nn.inverse_temperature`.
        """
        targets, weights = self._truth(examples, rows)
        logits = np.log(np.maximum(prediction[None, rows], np.finfo(np.float64).tiny))
        caution = 1 / len(targets) if cautious else 0.0
        return float(inverse_temperature(_HOST, logits, targets, weights, caution)[0])

    def _truth(
        self, examples: Examples, rows: slice | npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return some rows' encoded targets, and weights that sum to 1, in float64 on the host."""
        host, loss = self.backend.to_numpy, self.network.loss.evaluated_as or self.network.loss
        targets = loss.encode(_HOST, host(examples.targets)[rows], host(examples.classes), np.float64)
        weights = np.ones(len(targets)) if examples.weights is None else host(examples.weights)[rows].astype(np.float64)
        return targets, weights / weights.sum()

    def calibrated(self, parameters: Parameters, examples: Examples) -> Parameters:
        """Return a run's parameters with the logits divided by the best temperature for the examples."""
        prediction = self.backend.to_numpy(self._predictions(as_stack(parameters), examples))[0].astype(np.float64)
        return sharpened(self.network.layers, parameters, self.sharpening(prediction, examples))

    def _predictions(self, parameters: Parameters, examples: Examples) -> Array:
        """Predict with stacked runs, (runs, n, n_out), on the device."""
        outputs = self._fold(self._prediction, parameters, examples)
        return self._joined((prediction for (prediction,) in outputs), runs_of(parameters))

    def _joined(self, segments: Iterable[Array], runs: int) -> Array:
        """Join the predictions of segments, (steps, runs, batch, n_out) each."""
        xp, width = self.backend.xp, self.network.root.width
        parts = [xp.reshape(xp.moveaxis(part, 1, 0), (runs, -1, width)) for part in segments]
        return xp.concat(parts, axis=1)

    def _fold(self, fold: Fold, parameters: Parameters, examples: Examples) -> Iterator[tuple[Array, ...]]:
        """Fold over all examples in order and yield the outputs of each segment."""
        backend = self.backend
        parameters = backend.copy(parameters)  # a fold consumes its state
        numbers = np.arange(examples.targets.shape[0], dtype=backend.index_dtype_name)
        for segment in segments(len(numbers), BATCH):
            rows = backend.asarray(segment.cut(numbers))
            parameters, outputs = backend.fold(fold, parameters, (rows,), examples, ahead=1)
            yield outputs


def sharpened(layers: LayerSpec, parameters: Any, factor: float) -> Any:
    """Return a network's parameters with its logits multiplied by a factor.

    The factor goes into the dense layers whose outputs are the logits or terms of their sum; nothing else changes.
    """
    if layers.kind == "chain":
        return [*parameters[:-1], sharpened(layers.members[-1], parameters[-1], factor)]
    if layers.kind == "add":
        return [sharpened(one, own, factor) for one, own in zip(layers.members, parameters, strict=True)]
    return map_leaves(lambda leaf: leaf * factor, parameters)


def inverse_variance_of(part: Part, n_outputs: int) -> npt.NDArray[np.float64]:
    """Return 1 over the variance of each column of values, (n_targets,), 0 for constant ones; ones for classes."""
    if part.targets.ndim == 1:
        return np.ones(n_outputs)
    mean = np.average(part.targets, axis=0, weights=part.weights)
    variance = np.average((part.targets - mean) ** 2, axis=0, weights=part.weights)
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0)
