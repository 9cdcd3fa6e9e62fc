"""CuPy: arrays on a CUDA GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves
from xpmlp._typing import Array, Device
from xpmlp.backend.base import Backend
from xpmlp.backend.fold import GPU_AHEAD_BYTES, Prefetch, Step
from xpmlp.backend.host_memory import Memory
from xpmlp.backend.process_setting import ProcessSetting
from xpmlp.backend.replay import Recordings
from xpmlp.errors import BackendError
from xpmlp.nn import Ops

OUT_OF_MEMORY = 2
"""``cudaErrorMemoryAllocation``."""

FIRST_WITH_TF32 = 80
"""Compute capability of the first GPUs with TensorFloat-32, times ten."""


def _linalg() -> Any:
    import cupy

    return cupy._core._routines_linalg


PRECISION = ProcessSetting(
    lambda: _linalg().get_compute_type(np.float32), lambda kind: _linalg().set_compute_type(np.float32, kind)
)
"""The process's type of computation for float32 products."""


class CupyBackend(Backend):
    """CuPy on ``cuda:N``.

    Two runs give the same bits: cuBLAS promises it for calls on one stream of the same GPU, and nothing else here adds
    in an order that depends on timing.
    """

    name = "cupy"
    is_accelerator = True
    prefetch = Prefetch(GPU_AHEAD_BYTES)

    def _start(self, device: str | None) -> None:
        import cupy
        from array_api_compat import cupy as xp

        self._cupy, self.xp, self.version = cupy, xp, cupy.__version__
        found = self.devices()
        wanted = device or "cuda:0"
        wanted = "cuda:0" if wanted == "cuda" else wanted
        if wanted not in found:
            raise BackendError(
                f"backend cupy has no device {wanted!r} here; it has {', '.join(found)}."
                if found
                else "backend cupy finds no CUDA device: check the driver with `nvidia-smi` (in a container, start it "
                "with `--gpus all`), or choose another backend, for example `--backend numpy`."
            )
        self.device = cupy.cuda.Device(int(wanted.partition(":")[2]))
        self.memory = CupyMemory(cupy, self.device)
        properties = cupy.cuda.runtime.getDeviceProperties(self.device.id)
        self.device_name = properties["name"].decode()

    def devices(self) -> list[str]:
        """Return the names of the GPUs that CuPy can use; none without a driver."""
        try:
            return [f"cuda:{index}" for index in range(self._cupy.cuda.runtime.getDeviceCount())]
        except self._cupy.cuda.runtime.CUDARuntimeError:
            return []

    def _fused_ops(self) -> Ops:
        from xpmlp.backend.cublas import Cublas
        from xpmlp.backend.cupy_ops import TF32_TOLERANCE, TOLERANCE, check, with_fused

        pure = super()._fused_ops()
        with self.device:
            self._cublas = Cublas(self._cupy, tf32=self._can_tf32())
            fused = with_fused(pure, self._cupy, self._cublas)
            tolerance = TF32_TOLERANCE if self._can_tf32() else TOLERANCE[self.dtype_name]
            check(fused, pure, tolerance, self.dtype_name, (self.asarray, self.to_numpy))
            self._cublas.release()
        self.recordings = Recordings(self, self._record)
        return fused

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Use the configured GPU, a stream of the session's own, and TF32 only if asked for; free memory at the end.

        This stream and the default stream wait for each other: arrays made before the session can be used in it, and
        its own afterwards.
        """
        with self.device, self._precision(), np.errstate(all="ignore"), self._cupy.cuda.Stream() as stream:
            try:
                yield
            finally:
                try:
                    stream.synchronize()
                finally:
                    if self.recordings is not None:
                        self.recordings.clear()
                        self._cublas.release()
                    self._cupy.get_default_memory_pool().free_all_blocks()

    def scan(self, step: Step, state: Any, batches: Any, constants: Any) -> tuple[Any, tuple[Array, ...]]:
        """Fold ``step`` over ``batches``, writing each output directly to its place.

        CuPy stacks by addresses from the host, which a recording would read from there again at each replay.
        """
        series: tuple[Array, ...] = ()
        count = next(leaves(batches))[1].shape[0]
        for index, batch in enumerate(self._unstacked(batches)):
            state, outputs = step(state, batch, constants)
            if not series:
                series = tuple(self.xp.empty((count, *output.shape), dtype=output.dtype) for output in outputs)
            for target, output in zip(series, outputs, strict=True):
                target[index, ...] = output
        return state, series

    def _record(self, body: Callable[[], None]) -> Callable[[], None]:
        """Record the GPU work of ``body`` as a CUDA graph, with memory of its own for temporary arrays."""
        cupy = self._cupy
        stream, pool = cupy.cuda.get_current_stream(), cupy.cuda.MemoryPool()
        with cupy.cuda.using_allocator(pool.malloc):
            stream.begin_capture()
            try:
                body()
            finally:
                graph = stream.end_capture()
        return CudaGraph(graph, stream, pool).launch

    def _can_tf32(self) -> bool:
        """Check whether TF32 was asked for and the GPU has it."""
        return self.tf32 and int(self.device.compute_capability) >= FIRST_WITH_TF32

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        """Compute float32 products in TF32 if asked for, otherwise in full precision, whatever ``CUPY_TF32`` says.

        That variable is CuPy's public switch, but it is read once, at the first product of the process.
        """
        linalg = _linalg()
        with PRECISION.borrowed():
            chosen = linalg.COMPUTE_TYPE_TF32 if self._can_tf32() else linalg.COMPUTE_TYPE_DEFAULT
            linalg.set_compute_type(np.float32, chosen)
            yield

    def asarray(self, host: npt.ArrayLike, dtype: Any = None) -> Array:
        """Move a host array to the GPU."""
        with self.device:
            return self.xp.asarray(host, dtype=dtype)

    def adopt(self, array: Array) -> Array:
        """Convert an array that is already on the GPU."""
        with self.device:
            return super().adopt(array)

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree, on the GPU."""
        with self.device:
            return super().copy(tree)

    def to_numpy(self, array: Array) -> npt.NDArray[Any]:
        """Copy an array to the host."""
        return np.array(self._cupy.asnumpy(array))

    def synchronize(self) -> None:
        """Wait for the GPU."""
        self.device.synchronize()


class CupyMemory(Memory):
    """The GPU's memory."""

    def __init__(self, cupy: Any, device: Device) -> None:
        self._cupy, self._device = cupy, device

    def free(self) -> int | None:
        """Return the free bytes, including those that CuPy holds in reserve."""
        with self._device:
            return int(self._cupy.cuda.runtime.memGetInfo()[0] + self._cupy.get_default_memory_pool().free_bytes())

    def is_exhausted(self, error: BaseException) -> bool:
        """Recognize CuPy's own MemoryError, and CUDA's status when a recording finds no memory."""
        failed = isinstance(error, self._cupy.cuda.runtime.CUDARuntimeError)
        return (failed and getattr(error, "status", None) == OUT_OF_MEMORY) or super().is_exhausted(error)


class CudaGraph(NamedTuple):
    """A graph recorded from a stream.

    Attributes
    ----------
    graph : cupy.cuda.Graph
    stream : cupy.cuda.Stream
        The stream that it is launched on.
    memory : cupy.cuda.MemoryPool
        Its working memory, kept as long as the graph.
    """

    graph: Any
    stream: Any
    memory: Any

    def launch(self) -> None:
        """Launch the graph."""
        self.graph.launch(self.stream)
