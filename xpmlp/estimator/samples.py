"""An estimator's samples: features on the device, or sparse on the host and made dense in stretches."""

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
"""The memory for rows of a sparse matrix made dense at one time; a single batch may take more."""


@dataclass(frozen=True)
class Samples(Part):
    """Examples given to train on or to validate with.

    Attributes
    ----------
    features : (n, n_features)
        An array of the computing backend, or a sparse matrix in CSR form, on the host.
    targets : (n,) or (n, n_outputs)
        Encoded for the loss, on the host.
    given : (n,) or (n, n_outputs)
        The user's original targets, on the host.
    """

    given: npt.NDArray[Any] | None = None

    def take(self, backend: Backend, rows: npt.NDArray[np.int64]) -> Samples:
        """Select examples."""
        if is_sparse(self.features):
            features = self.features[rows]
        else:
            index = backend.asarray(rows.astype(backend.index_dtype_name, copy=False))
            features = backend.xp.take(self.features, index, axis=0)
        weights, given = (None if array is None else array[rows] for array in (self.weights, self.given))
        return Samples(features, self.targets[rows], weights, given=given)

    def dense(self, backend: Backend, rows: npt.NDArray[np.int64]) -> Part:
        """Select examples, with their sparse features as a dense array of the backend."""
        features = backend.asarray(self.features[rows].toarray())
        return Part(features, self.targets[rows], None if self.weights is None else self.weights[rows])


def is_sparse(features: Any) -> bool:
    """Whether checked features are a sparse matrix."""
    return hasattr(features, "toarray")


def stretch(features: Any, batch: int, most: int) -> int:
    """Return how many batches of features to take at once: ``most``, or fewer but at least one for sparse features."""
    if not is_sparse(features):
        return most
    batch_bytes: int = batch * features.shape[1] * features.dtype.itemsize
    return max(1, min(most, STRETCH_BYTES // batch_bytes))


class EstimatorInference(Inference):
    """Inference that accepts sparse features, too, making one stretch of rows dense at a time."""

    def _placed(self, features: Any) -> Any:
        """Return the features unchanged: they are on the device already, or sparse on the host."""
        return features

    def _fold(self, fold: Fold, parameters: Parameters, examples: Examples) -> Iterator[tuple[Array, ...]]:
        if not is_sparse(examples.features):
            yield from super()._fold(fold, parameters, examples)
            return
        length, n = stretch(examples.features, 1, BATCH), examples.features.shape[0]
        for start in range(0, n, length):
            rows = slice(start, min(start + length, n))  # the standard does not define slices beyond the end
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
    """Return the inference shared by all estimators of the same network and backend, so that JAX compiles it once."""
    return EstimatorInference(network, backend)


def to_engine(features: Any, backend: Backend) -> Any:
    """Move checked features to the backend; sparse ones are returned unchanged."""
    return features if is_sparse(features) else placed(features, backend)
