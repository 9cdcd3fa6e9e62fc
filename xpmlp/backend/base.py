"""Backends: storage of arrays, folding of a training step over batches, and fused operations.

Everything else in the program is written once, in the array API.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from xpmlp._tree import iterate, map_leaves
from xpmlp._typing import Array, Device, Namespace
from xpmlp.backend.fold import Fold, Prefetch, Step
from xpmlp.backend.host_memory import Memory
from xpmlp.backend.replay import STEPS, Recordings
from xpmlp.backend.residence import residence_of
from xpmlp.errors import BackendError
from xpmlp.nn import Ops, pure_ops

DTypeName = Literal["float32", "float64"]

OUTPUTS = 1_000_000
"""Number of elements in a fold's pending step outputs at which they are concluded."""


class Backend(ABC):
    """An array library on one device with one dtype.

    Attributes
    ----------
    name : str
        Its name in the config.
    xp : namespace
        The array library, following the standard.
    device : device
        In the library's own form.
    device_name : str
        For display: ``cpu`` or the GPU's product name.
    dtype_name : "float32" or "float64"
        Of weights, activations and losses.
    index_dtype : dtype
        Of class indices and of batches of row numbers.
    ops : Ops
        The operations of a training step.
    version : str
        The library's version.
    is_accelerator : bool
        Whether arrays live outside the host's memory.
    prefetch : Prefetch
        How batches are prepared ahead of their steps.
    memory : Memory
        The memory that holds its arrays.
    recordings : Recordings or None
        Recorded steps, if the library can record and replay them.
    recipe : (callable, arguments)
        For pickle: the callable and arguments that recreate the backend.
    tf32 : bool
        Whether float32 products may be rounded to TensorFloat-32 within a session, if the device has it.
    """

    name: str
    xp: Namespace
    device: Device
    device_name: str
    dtype_name: DTypeName
    ops: Ops
    version: str
    is_accelerator: bool = False
    prefetch: Prefetch = Prefetch()
    memory: Memory = Memory()
    index_dtype_name: Literal["int32", "int64"] = "int64"
    recordings: Recordings | None = None
    recipe: tuple[Any, ...]

    def __init__(self, device: str | None, dtype: DTypeName, *, fused: bool, threads: int | None, tf32: bool) -> None:
        self.dtype_name = dtype
        self.threads = threads
        self.tf32 = tf32
        self.recipe = partial(type(self), device, dtype, fused=fused, threads=threads, tf32=tf32), ()
        self._start(device)
        self.ops = self._fused_ops() if fused else pure_ops(self.xp)

    @abstractmethod
    def _start(self, device: str | None) -> None:
        """Import the library and set ``xp``, ``device``, ``device_name`` and ``version``.

        Raises
        ------
        BackendError
            If the library, the device or the dtype is not available.
        """

    @abstractmethod
    def devices(self) -> list[str]:
        """Return the names of the devices that this library can use here, its default first."""

    def _fused_ops(self) -> Ops:
        """Return the operations, the pure ones by default; a backend substitutes its faster versions."""
        return pure_ops(self.xp)

    @property
    def dtype(self) -> Any:
        """The library's floating-point dtype."""
        return getattr(self.xp, self.dtype_name)

    @property
    def index_dtype(self) -> Any:
        """The integer dtype of class indices and row numbers."""
        return getattr(self.xp, self.index_dtype_name)

    def compiles_first(self) -> bool:
        """Check whether the next session will spend seconds compiling code not yet compiled on this machine."""
        return False

    @contextlib.contextmanager
    def settings(self) -> Iterator[None]:
        """Set the library's options to the values that this program needs, overriding the host's, in this thread."""
        yield

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Hold precision modes, threads and the current device while arrays are made and steps run.

        Floating-point errors on the host are ignored, whatever `numpy.seterr` says: the training loop checks for
        non-finite values.  All settings are restored at the end.

        Parameters
        ----------
        batch_size : int
            Number of examples in a product, by which a backend may use fewer threads.
        predicted : int, optional
            Number of examples, if the session only predicts them once: for few, a backend does not spend seconds
            compiling code not yet compiled on this machine.
        """
        with np.errstate(all="ignore"):
            yield

    def asarray(self, host: npt.ArrayLike, dtype: Any = None) -> Array:
        """Move a host array to the device; only `asarray` and `to_numpy` transfer between the two.

        The result may share memory with ``host`` (NumPy, torch), so do not write to it; see `parameters`.
        """
        return self.xp.asarray(host, dtype=dtype, device=self.device)

    def adopt(self, array: Array) -> Array:
        """Convert an accelerator array of any library to an array of this backend.

        The data stay in place; another library's array is taken through DLPack.  Reals are converted to the backend's
        dtype.

        Raises
        ------
        BackendError
            If the array is not on this backend's device: nothing is moved silently.
        """
        adopted, own = array, array_namespace(array) is self.xp
        if not own and self.is_accelerator:
            with contextlib.suppress(BufferError, RuntimeError, TypeError, ValueError):
                adopted, own = self.xp.from_dlpack(array), True
        if not own or device(adopted) != self.device:
            raise BackendError(
                f"the data are {residence_of(array)}, but backend {self.name} computes on {self.device_name}: set "
                "backend.name and backend.device to where the data are, or move them yourself."
            )
        if self.xp.isdtype(adopted.dtype, "real floating"):
            adopted = self.xp.astype(adopted, self.dtype, copy=False)
        return adopted

    def parameters(self, host: Any) -> Any:
        """Move a tree of host arrays to the device as fresh arrays of the backend's dtype, free to be overwritten.

        They are row-major whatever the host's order, except for PyTorch on a CPU: updates in place depend on the order.
        """
        return self.copy(map_leaves(lambda leaf: self.asarray(np.array(leaf, order="C"), self.dtype), host))

    def to_numpy(self, array: Array) -> npt.NDArray[Any]:
        """Copy an array to the host; only `asarray` and `to_numpy` transfer between host and device."""
        return np.array(array)

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree on the same device, sharing no memory with the original."""
        return map_leaves(lambda leaf: self.xp.asarray(leaf, copy=True), tree)

    def scan(self, step: Step, state: Any, batches: Any, constants: Any) -> tuple[Any, tuple[Array, ...]]:
        """Fold ``step`` over ``batches``.

        Parameters
        ----------
        step : (state, batch, constants) -> (state, outputs)
            Written in the array API, without host reads or branches on values.  ``batch`` is a tree and ``outputs`` a
            tuple of arrays.
        state : tree of arrays
            Invalid afterwards, since the step may overwrite it: use the returned state.
        batches : tree of (steps, ...)
            Each index of the first axis holds the batch of one step.
        constants : tree of arrays and numbers
            The same for every step.

        Returns
        -------
        state : tree of arrays
        outputs : tuple of (steps, ...)
        """
        collected = []
        for batch in self._unstacked(batches):
            state, outputs = step(state, batch, constants)
            collected.append(outputs)
        return state, tuple(map(self._stacked, zip(*collected, strict=True)))

    def _unstacked(self, batches: Any) -> Iterator[Any]:
        """Yield the batch of each step."""
        return iterate(batches, self.xp.unstack)

    def _stacked(self, series: Sequence[Array]) -> Array:
        """Stack the outputs of all steps into one array."""
        return self.xp.stack(series)

    def fold(
        self, fold: Fold, state: Any, batches: tuple[Any, ...], constants: Any, ahead: int
    ) -> tuple[Any, tuple[Array, ...]]:
        """Fold a step over batches, preparing ``ahead`` steps at a time and concluding outputs in large groups.

        Parameters
        ----------
        fold : Fold
        state, batches, constants
            As in `scan`.
        ahead : int
            At least 1.  Bounds the memory of prepared batches; the results do not depend on it.

        Returns
        -------
        state : tree of arrays
        results : tuple of (steps, ...)
        """
        concluded, pending, steps, begin = [], [], batches[0].shape[0], 0

        def part(first: int, last: int) -> tuple[Any, ...]:
            if (first, last) == (0, steps):
                return batches
            cut: tuple[Any, ...] = map_leaves(lambda series: series[first:last, ...], batches)
            return cut

        length = min(max(1, STEPS // fold.steps_per_call), ahead)
        if self.recordings is not None:
            ahead = ahead // length * length
        for first in range(0, steps, ahead):
            last = min(first + ahead, steps)  # the standard does not define slices beyond the end
            prepared = fold.prepare(part(first, last), constants)
            if self.recordings is None or ahead == 1:  # a recording of single steps, as in evaluation, saves nothing
                state, outputs = self.scan(fold.step, state, prepared, constants)
            else:
                state, outputs = self.recordings.scan(fold.step, state, prepared, constants, length, steps - first)
            del prepared  # to free it before the next part is prepared
            pending.append(outputs)
            if last == steps or sum(math.prod(output.shape) for output in outputs) * len(pending) >= OUTPUTS:
                concluded.append(fold.conclude(part(begin, last), self._joined(pending), constants))
                pending, begin = [], last
        return state, self._joined(concluded)

    def _joined(self, parts: list[tuple[Array, ...]]) -> tuple[Array, ...]:
        """Concatenate the outputs of consecutive stretches of steps."""
        return parts[0] if len(parts) == 1 else tuple(self.xp.concat(one) for one in zip(*parts, strict=True))

    def threads_in_use(self) -> int | None:
        """Return the number of CPU threads used within a session: with a different number the bits may differ."""
        return self.threads

    def synchronize(self) -> None:
        """Wait until the device has finished all queued work."""
        return

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the backend as its recipe, by which unpickling finds the same backend."""
        return self.recipe

    def __copy__(self) -> Backend:
        """Return the backend itself, since it never changes."""
        return self

    def __deepcopy__(self, memo: Any) -> Backend:
        """Return the backend itself, since it never changes."""
        return self

    def __repr__(self) -> str:
        return f"<{self.name} {self.version} on {self.device_name}, {self.dtype_name}>"
