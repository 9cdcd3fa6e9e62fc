"""Memory estimates for blocks of runs, and the error message for running out of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from xpmlp._text import byte_size
from xpmlp._typing import Array
from xpmlp.backend import Backend
from xpmlp.backend.replay import STEPS
from xpmlp.errors import BackendError
from xpmlp.optim import optimizers
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import BATCH

SHARE = 0.8
"""Share of the free memory allowed for a block: allocators waste some, and the libraries need some themselves."""


class Footprint(NamedTuple):
    """Estimate of the bytes of memory for a block of stacked runs.

    Attributes
    ----------
    data : int
        For the data set, shared by the runs.
    run : int
        For each run.
    ahead : int
        Maximum for batches prepared ahead of their steps, for all runs together.
    batches : int
        For all batches of one run, if all were prepared.
    """

    data: int
    run: int
    ahead: int = 0
    batches: int = 0

    def of(self, runs: int) -> int:
        """Return the bytes of a block of this many runs."""
        return self.data + runs * self.run + min(self.ahead, runs * self.batches)

    def widest(self, free: int) -> int:
        """Return the largest number of runs that fit this many free bytes, at least one."""
        room = int(SHARE * free) - self.data
        return max(1, (room - self.ahead) // self.run, room // (self.run + self.batches))


def footprint(trainable: ConfigTrainable) -> Footprint:
    """Estimate the memory for the runs of a trainable.

    Each run is counted with its parameters, the copy of the last finite ones, the copy of the best ones where early
    stopping keeps them, a gradient, and the optimiser's state with the averages; for each unit and example of a batch,
    three numbers in training, or two in evaluation (one for the input), whichever takes more; and the inputs and
    results of a segment, eight numbers for each example.  Where steps are replayed, two recordings have parameters,
    state and batches of their own.  Batches prepared ahead are those of a segment or an evaluation, as many as the
    backend requests; they include the features only if the steps do not read them from the data themselves.
    """
    train, dataset, network = trainable.config.train, trainable.dataset, trainable.network
    n_inputs, n_outputs, within = network.n_inputs, network.root.width, network.n_outputs_within
    size = np.dtype(trainable.backend.dtype_name).itemsize
    replayed = 0 if trainable.backend.recordings is None else 2
    slots = optimizers[train.optimizer].slots + (train.averaging is not None)
    copies = 3 + replayed + (train.patience is not None or train.best_by != "loss") + (1 + replayed) * slots
    trained = (3 * (n_inputs + within) + replayed * STEPS * (n_inputs + 2 * n_outputs)) * min(
        trainable.settings.batch_size, len(dataset.train)
    )
    evaluated = _evaluated(trainable) * (n_inputs + 2 * within)
    segment = min(train.segment_steps * trainable.settings.batch_size, len(dataset.train))
    run = size * (copies * network.n_parameters + max(trained, evaluated)) + 8 * 8 * segment
    parts = (dataset.train, dataset.validation, dataset.test)
    features = 0 if _takes_rows_in_step(trainable) else n_inputs
    prepared = size * max(segment, _evaluated(trainable, at_once=False)) * (features + n_outputs + network.root.drawn)
    columns = len(dataset.code_counts)
    data = sum(_bytes(part.features, size) + 4 * columns * len(part) for part in parts if part is not None)
    return Footprint(data, run, trainable.backend.prefetch.bytes, prepared)


@contextlib.contextmanager
def memory_explained(backend: Backend, needed: int, advice: str) -> Iterator[None]:
    """Convert an out-of-memory error to one sentence with the memory needed and some advice.

    Parameters
    ----------
    backend : Backend
    needed : int
        Bytes, an estimate.
    advice : str
        End of the sentence.

    Raises
    ------
    BackendError
        If the backend's library runs out of memory.
    """
    free = backend.memory.free()
    try:
        yield
    except Exception as error:
        if not backend.memory.is_exhausted(error):
            raise
        had = "" if free is None else f", {byte_size(free)} were free"
        raise BackendError(
            f"backend {backend.name} ran out of memory on {backend.device_name}: it takes about "
            f"{byte_size(needed)}{had}; {advice}."
        ) from error


def _evaluated(trainable: ConfigTrainable, *, at_once: bool = True) -> int:
    """Return the number of examples of the largest batch in evaluation, or of the largest part evaluated."""
    dataset = trainable.dataset
    parts = [dataset.validation, dataset.test, dataset.train if trainable.config.train.evaluate_train else None]
    largest = max((len(part) for part in parts if part is not None), default=0)
    return min(BATCH, largest) if at_once else largest


def _takes_rows_in_step(trainable: ConfigTrainable) -> bool:
    if not trainable.backend.prefetch.rows_in_step or trainable.training_fold.steps_per_call > 1:
        return False
    features = trainable.dataset.train.features
    return not isinstance(features, np.ndarray) or features.dtype == np.uint8 or features.dtype.kind == "f"


def _bytes(features: Array, size: int) -> int:
    """Return the bytes of features on the device: integers in their storage type, others in the network's."""
    if not isinstance(features, np.ndarray):
        return 0  # already on the device
    return features.size * (size if features.dtype.kind == "f" else features.dtype.itemsize)
