"""A network at work: scores on labelled examples, predictions for new ones.  Both are folds, as training is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.data import Part
from xpmlp.training.segments import segments
from xpmlp.training.step import Examples, Network, evaluation_fold, prediction_fold, take_rows

BATCH = 1000
"""Examples in one step: enough for the products to run at full speed."""


class Score(NamedTuple):
    """How well a network does on a part of a data set.

    Attributes
    ----------
    loss : float
        Mean over the examples.
    accuracy : float
        Part of the examples that are predicted right, from 0 to 1.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Inference:
    """A network on a backend, whatever its parameters.

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

    def to_device(self, part: Part, n_classes: int) -> Examples:
        """Move a part of a data set to the device: integers in their storage type, others in the backend's."""
        backend = self.backend
        integers = np.dtype(backend.index_dtype_name)
        features = part.features
        if features.dtype.kind == "f":
            features = features.astype(backend.dtype_name, copy=False)
        return Examples(
            backend.asarray(features),
            backend.asarray(part.targets.astype(integers, copy=False)),
            backend.asarray(np.arange(n_classes, dtype=integers)),
        )

    def evaluate(self, parameters: Parameters, examples: Examples) -> list[Score]:
        """The score of each stacked run, or of the one there is without a runs axis."""
        xp = self.backend.xp
        total = examples.labels.shape[0]
        loss, correct = np.zeros(1), np.zeros(1)
        for labels, (losses, decided) in self._fold(self._evaluation, parameters, examples, labelled=True):
            hits = decided == (labels if decided.ndim == 2 else labels[:, None, :])
            loss = loss + self.backend.to_numpy(xp.sum(losses, axis=(0, -1))).astype(np.float64)
            correct = correct + self.backend.to_numpy(xp.count_nonzero(hits, axis=(0, -1)))
        return [Score(float(a) / total, float(b) / total) for a, b in zip(loss, correct, strict=True)]

    def predict(self, parameters: Parameters, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What one run predicts for preprocessed features.

        Parameters
        ----------
        parameters : list of Layer
            Without a runs axis.
        features : (n, n_in)

        Returns
        -------
        prediction : (n, n_out)
            Probabilities of the classes, for a classifier.
        """
        width = parameters[-1].weights.shape[-1]
        part = Part(features, np.zeros(len(features), dtype=np.int64))
        folded = self._fold(self._prediction, parameters, self.to_device(part, width), labelled=False)
        return np.concatenate([self.backend.to_numpy(prediction).reshape(-1, width) for _, (prediction,) in folded])

    def _fold(
        self, fold: Fold, parameters: Parameters, examples: Examples, *, labelled: bool
    ) -> Iterator[tuple[Array, tuple[Array, ...]]]:
        """Fold over all examples in order: the labels (steps, batch) and the outputs of each segment."""
        backend = self.backend
        parameters = backend.copy(parameters)  # what goes into a fold is dead
        numbers = np.arange(examples.labels.shape[0], dtype=backend.index_dtype_name)
        for segment in segments(len(numbers), BATCH):
            rows = backend.asarray(segment.cut(numbers))
            labels = take_rows(backend.ops, examples.labels, rows)
            batches = (rows, labels) if labelled else (rows,)
            parameters, outputs = backend.fold(fold, parameters, batches, examples, ahead=1)
            yield labels, outputs
