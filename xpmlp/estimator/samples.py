"""Samples as an estimator holds them: features on the device, or sparse on the host and made dense in stretches."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.data import Part
from xpmlp.estimator.places import placed
from xpmlp.nn import Network
from xpmlp.training.inference import BATCH, Inference
from xpmlp.training.step import Examples

STRETCH_BYTES = 2**25
"""The memory for the rows of a sparse matrix that are dense at one time, if more than one batch is."""


@dataclass(frozen=True)
class Samples(Part):
    """Examples that were given, to train on or to validate with.

    Attributes
    ----------
    features : (n, n_features)
        An array of the backend that computes, or a sparse matrix in CSR form, on the host.
    targets : (n,) or (n, n_outputs)
        As the loss wants them, on the host.
    given : (n,) or (n, n_outputs)
        The targets as the user gave them, on the host.
    """

    given: npt.NDArray[Any] | None = None

    def take(self, backend: Backend, rows: npt.NDArray[np.int64]) -> Samples:
        """Some of the examples."""
        if is_sparse(self.features):
            features = self.features[rows]
        else:
            index = backend.asarray(rows.astype(backend.index_dtype_name, copy=False))
            features = backend.xp.take(self.features, index, axis=0)
        weights, given = (None if array is None else array[rows] for array in (self.weights, self.given))
        return Samples(features, self.targets[rows], weights, given=given)

    def dense(self, backend: Backend, rows: npt.NDArray[np.int64]) -> Part:
        """Some of the examples, their sparse features as an array of the backend."""
        features = backend.asarray(self.features[rows].toarray())
        return Part(features, self.targets[rows], None if self.weights is None else self.weights[rows])


def is_sparse(features: Any) -> bool:
    """Whether checked features are a sparse matrix."""
    return hasattr(features, "toarray")


def stretch(features: Any, batch: int, most: int) -> int:
    """For how many batches to take features at once: ``most``, or fewer, but one, if sparse rows fill the memory."""
    if not is_sparse(features):
        return most
    batch_bytes: int = batch * features.shape[1] * features.dtype.itemsize
    return max(1, min(most, STRETCH_BYTES // batch_bytes))


class EstimatorInference(Inference):
    """Inference that takes sparse features, too: a stretch of rows is dense at one time."""

    def _placed(self, features: Any) -> Any:
        """Features are where they are computed with, sparse ones on the host."""
        return features

    def _fold(self, fold: Fold, parameters: Parameters, examples: Examples) -> Iterator[tuple[Array, ...]]:
        if not is_sparse(examples.features):
            yield from super()._fold(fold, parameters, examples)
            return
        length = stretch(examples.features, 1, BATCH)
        for start in range(0, examples.features.shape[0], length):
            rows = slice(start, start + length)
            yield from super()._fold(
                fold,
                parameters,
                examples._replace(
                    features=self.backend.asarray(examples.features[rows].toarray()),
                    targets=examples.targets[rows, ...],
                    weights=None if examples.weights is None else examples.weights[rows],
                ),
            )


@functools.lru_cache(maxsize=64)
def inference_of(network: Network, backend: Backend) -> EstimatorInference:
    """One inference for all estimators that need the same, so that JAX compiles it once."""
    return EstimatorInference(network, backend)


def to_engine(features: Any, backend: Backend) -> Any:
    """Checked features where they are computed with; sparse ones as they are."""
    return features if is_sparse(features) else placed(features, backend)
