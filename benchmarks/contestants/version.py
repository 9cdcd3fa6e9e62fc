"""A version of xpmlp, used through those public names that both versions have."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_EPOCHS = 1_000_000
"""Number of epochs of a timed training, which is stopped before."""


class Training(NamedTuple):
    """A training, as sent to both versions.

    Attributes
    ----------
    config : Path
        The config file.
    overrides : dict
        Values by dotted key that override the file's.
    data : Path
        An npz file with the arrays ``features`` and ``target``.
    examples : int
        Number of training examples, which come first; the others are for validation.
    scale : float
        Factor on the features.
    values : bool
        Whether the targets are values.
    epochs : int
    stacked : bool
        Whether it is a grid, which reads the data file by itself.
    """

    config: Path
    overrides: dict[str, Any]
    data: Path
    examples: int
    scale: float
    values: bool
    epochs: int
    stacked: bool


class Numbers(NamedTuple):
    """Results of a training.

    Attributes
    ----------
    losses : (steps,) or (steps, runs)
    validation : (epochs,), or for all runs one after another
        The validation losses after each epoch.
    weights : list of (n,)
        Each array of the trained network, flat.
    """

    losses: npt.NDArray[Any]
    validation: npt.NDArray[Any]
    weights: list[npt.NDArray[Any]]


class Version:
    """The version that this process imports, on a backend, with a training's data in its memory.

    Parameters
    ----------
    training : Training
    device : "cpu"
    threads : int
        Number of threads, to which the process is already confined.
    """

    backend: ClassVar[str]

    def __init__(self, training: Training, device: str, threads: int) -> None:
        import xpmlp

        _keep_freed_memory()
        self.training, self.xpmlp = training, xpmlp
        if not training.stacked:
            with np.load(training.data) as file:
                x, y, n = file["features"], file["target"], training.examples
            self.data = xpmlp.from_arrays(
                x[:n], y[:n], validation=(x[n:], y[n:]), scale=training.scale, values=training.values
            )

    def close(self) -> None:
        """Do nothing: garbage collection frees everything."""

    def home(self) -> Path:
        """Return the folder from which the package was imported."""
        return Path(self.xpmlp.__file__).parent

    def numbers(self, dtype: str) -> Numbers:
        """Train to the end."""
        result = self._train(self.training.epochs, dtype)
        trained = [network.parameters for network in result.networks] if self.training.stacked else result.parameters
        history = result.history
        return Numbers(history.batch_losses, history.validation_loss, list(_leaves(trained)))

    def seconds(self, least: float) -> float:
        """Return the seconds per step in float32, measured for at least this many seconds.

        Excluded are validation and the first epoch of each training, in which steps may be compiled.
        """
        clock = _Clock(least)
        while not clock.enough():
            self._train(MOST_EPOCHS, "float32", reporter=clock, should_stop=clock.enough)
        return clock.seconds / clock.steps

    def _train(self, epochs: int, dtype: str, **options: Any) -> Any:
        backend = {"backend.name": self.backend, "backend.dtype": dtype}
        overrides = {**self.training.overrides, **backend, "train.epochs": epochs}
        config = self.xpmlp.load_config(self.training.config, overrides=overrides)
        if self.training.stacked:
            return self.xpmlp.train_grid(config, **options)
        return self.xpmlp.train(config, data=self.data, **options)


class OnNumpy(Version):
    """On NumPy."""

    backend = "numpy"


class OnNumpyAlone(OnNumpy):
    """On NumPy without Numba."""

    def __init__(self, training: Training, device: str, threads: int) -> None:
        sys.modules["numba"] = None  # type: ignore[assignment]  # to importlib: it is not installed
        super().__init__(training, device, threads)


class OnTorch(Version):
    """On PyTorch."""

    backend = "torch"


class OnJax(Version):
    """On JAX."""

    backend = "jax"


class _Clock:
    """A reporter for either version, even if one of them reports more than the other.

    A training calls ``begin``, then in each epoch ``segment`` for each segment and ``epoch`` for each run.
    """

    quiet = True

    def __init__(self, least: float) -> None:
        self.least, self.seconds, self.steps = least, 0.0, 0
        self._epochs = 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None

    def begin(self, *arguments: Any) -> None:
        self._epochs = self._done = 0
        self._since = time.perf_counter()

    def segment(self, progress: Any) -> None:
        now = time.perf_counter()
        if self._epochs:
            self.seconds, self.steps = self.seconds + now - self._since, self.steps + progress.step - self._done
        self._since, self._done = now, progress.step

    def epoch(self, *arguments: Any) -> None:
        self._epochs, self._done, self._since = self._epochs + 1, 0, time.perf_counter()

    def enough(self) -> bool:
        return self.seconds >= self.least


def _leaves(tree: Any) -> Iterator[npt.NDArray[Any]]:
    """Yield the arrays of nested tuples, lists and mappings, flat, on the host."""
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for branch in tree:
            yield from _leaves(branch)
    elif tree is not None:
        yield np.array(tree).ravel()


def _keep_freed_memory() -> None:
    """Set malloc for large arrays like the command line (see mallopt(3)); some versions leave it to their callers."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 32 << 20)
        mallopt(-1, 64 << 20)
