"""PyTorch, without its autograd: on the CPU, a CUDA GPU or Apple's."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp._typing import Array, Device, Namespace
from xpmlp.backend.base import Backend
from xpmlp.backend.fold import GPU_AHEAD_BYTES, Prefetch
from xpmlp.backend.host_memory import Memory
from xpmlp.backend.process_setting import ProcessSetting
from xpmlp.backend.replay import Recordings
from xpmlp.errors import BackendError
from xpmlp.nn import Ops
from xpmlp.nn.hashing import mixed
from xpmlp.nn.ops import rows_below_each_other

OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""Phrases of PyTorch's out-of-memory errors on Linux, on Windows and on Metal."""


def _torch() -> Any:
    import torch

    return torch


RECORDING = threading.Lock()
"""Lock for recording, which PyTorch can do in one thread of a process at a time."""


PROCESS = os.getpid()
"""Id of the process with PyTorch's threads: a process forked from it would wait for them in vain."""


class Precision(NamedTuple):
    """PyTorch's settings for rounding the factors of float32 products.

    Attributes
    ----------
    overall : str or None
        The switch for all kinds of devices; ``None`` if a host has used the others, so that it cannot be read.
    kinds : list of str
        The switches for CUDA and for CPUs, in PyTorch since version 2.9.  Setting ``overall`` sets these.
    """

    overall: str | None
    kinds: list[str]

    def of_products(self, *, tf32: bool) -> Precision:
        """Return these switches set for products in TF32, or in full precision."""
        overall = None if self.overall is None else "high" if tf32 else "highest"
        return Precision(overall, ["tf32" if tf32 else "ieee"] * len(self.kinds))


def read_precision() -> Precision:
    """Read the process's precision of float32 products."""
    torch = _torch()
    kinds = [kind.fp32_precision for kind in _kinds()]
    try:
        return Precision(torch.get_float32_matmul_precision(), kinds)
    except RuntimeError:
        return Precision(None, kinds)


def write_precision(precision: Precision) -> None:
    """Set the process's precision of float32 products."""
    torch = _torch()
    if precision.overall is not None:
        torch.set_float32_matmul_precision(precision.overall)
    for kind, chosen in zip(_kinds(), precision.kinds, strict=True):
        if kind.fp32_precision != chosen:
            kind.fp32_precision = "none"  # then it is what a more general switch says
        if kind.fp32_precision != chosen:
            kind.fp32_precision = chosen


def _kinds() -> list[Any]:
    backends = _torch().backends
    kinds = (backends.cuda.matmul, getattr(backends.mkldnn, "matmul", None))
    return [kind for kind in kinds if hasattr(kind, "fp32_precision")]


THREADS = ProcessSetting(
    lambda: _torch().get_num_threads(), lambda threads: _torch().set_num_threads(threads), of_thread=True
)
PRECISION = ProcessSetting(read_precision, write_precision)
"""PyTorch's process-wide settings: its threads, and the rounding of factors of float32 products."""


class TorchBackend(Backend):
    """PyTorch on ``cpu``, ``cuda:N`` or ``mps``.

    Two runs give the same bits: on a CPU with the same number of threads; on CUDA since cuBLAS promises it for calls on
    one stream of the same GPU (``CUBLAS_WORKSPACE_CONFIG`` matters with several), and the other operations add in a
    fixed order.  For ``mps`` there is no such promise.
    """

    name = "torch"

    def _start(self, device: str | None) -> None:
        import torch
        from array_api_compat import torch as xp

        self._torch, self.xp, self.version = torch, xp, torch.__version__
        self.device = self._find_device(device or "cpu")
        if self.device.type == "mps" and self.dtype_name == "float64":
            raise BackendError("device 'mps' has no float64: set backend.dtype to \"float32\".")
        self.is_accelerator = self.device.type != "cpu"
        if self.is_accelerator:
            self.prefetch = Prefetch(GPU_AHEAD_BYTES)
        self.memory = TorchMemory(torch, self.device)
        cuda = self.device.type == "cuda"
        self.device_name = torch.cuda.get_device_name(self.device) if cuda else str(self.device)

    def _find_device(self, device: str) -> Device:
        """Find a device by name, and return it in the form that tensors give it: "cuda" is "cuda:0"."""
        refusal: Exception | None = None
        try:
            found = self._torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:  # an unknown name; a build without kernels; one without CUDA
            refusal = error
        if refusal is not None or found.type == "meta":  # whose tensors have shapes, but no numbers
            raise BackendError(
                f"backend torch has no device {device!r} here; it has {', '.join(self.devices())}."
            ) from refusal
        return found

    def devices(self) -> list[str]:
        """Return the names of the devices that this PyTorch can use."""
        names = ["cpu", *(f"cuda:{index}" for index in range(self._torch.cuda.device_count()))]
        if self._torch.backends.mps.is_available():
            names.append("mps")
        return names

    def _fused_ops(self) -> Ops:
        torch, pure = self._torch, super()._fused_ops()
        ops = pure._replace(
            gather=_gather,
            affine=partial(_affine, torch),
            multiply_transposed=partial(_multiply_transposed, torch),
            sigmoid=torch.sigmoid_,
            sigmoid_backward=torch.ops.aten.sigmoid_backward,
            softmax=partial(torch.softmax, dim=-1),
            log_softmax=partial(torch.log_softmax, dim=-1),
            add_product=_add_product,
            add_sum=_add_sum,
            sum_over_batch=_sum_over_batch,
            mask=_mask,
            constant=functools.cache(partial(torch.tensor, dtype=self.dtype)),
        )
        if self.device.type == "cuda":
            self.recordings = Recordings(self, self._record)
        if self.is_accelerator:
            return ops
        return ops._replace(
            softmax=_across(ops.softmax, partial(torch.softmax, dim=-2)),
            log_softmax=_across(ops.log_softmax, partial(torch.log_softmax, dim=-2)),
            product_of_factors=partial(_product_of_factors, torch),
            add_rows=partial(_add_rows, self.xp),
        )

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Disable autograd and autocast, set TF32 and threads as configured, and restore everything at the end.

        A GPU's cached memory is released, too.
        """
        torch, cuda = self._torch, self.device.type == "cuda"
        try:
            with (
                THREADS.borrowed(),
                PRECISION.borrowed() as precision,
                torch.no_grad(),
                torch.autocast(self.device.type, enabled=False),
                np.errstate(all="ignore"),
            ):
                if (threads := self._threads_asked_for()) is not None:
                    torch.set_num_threads(threads)
                write_precision(precision.of_products(tf32=self.tf32 and cuda))
                yield
        finally:
            if self.recordings is not None:
                self.recordings.clear()
            if cuda:
                torch.cuda.empty_cache()

    def _record(self, body: Callable[[], None]) -> Callable[[], None]:
        """Record the GPU work of ``body`` as a CUDA graph.

        Relaxed, so that GPU work of other threads meanwhile, those of JAX for example, breaks neither theirs nor this.
        """
        cuda = self._torch.cuda
        graph = cuda.CUDAGraph()
        # its own stream is of the device that was current when the process first recorded
        stream = cuda.Stream(self.device)
        with RECORDING, cuda.device(self.device), cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
            body()
        replay: Callable[[], None] = graph.replay
        return replay

    def asarray(self, host: npt.ArrayLike, dtype: Any = None) -> Array:
        """Move a host array to the device.

        Tensors support no read-only memory, no negative strides and no foreign byte order: such arrays are copied
        first.
        """
        host = np.asarray(host)
        return super().asarray(np.require(host, host.dtype.newbyteorder("="), ("C", "W")), dtype)

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree; on a CPU, matrices are stored column by column.

        With such weights a layer's products take less time there, by a third to a half for a layer with few outputs.
        """
        if self.is_accelerator:
            return super().copy(tree)
        row_major = self._torch.contiguous_format
        return map_leaves(
            lambda leaf: leaf.mT.clone(memory_format=row_major).mT if leaf.ndim in (2, 3) else leaf.clone(), tree
        )

    def to_numpy(self, array: Array) -> npt.NDArray[Any]:
        """Copy an array to the host."""
        return np.array(array.numpy(force=True), order="C")

    def threads_in_use(self) -> int:
        """Return the configured number of threads, or PyTorch's own."""
        return self._threads_asked_for() or int(self._torch.get_num_threads())

    def _threads_asked_for(self) -> int | None:
        return 1 if os.getpid() != PROCESS and self.device.type == "cpu" else self.threads

    def synchronize(self) -> None:
        """Wait for the GPU."""
        if self.device.type == "cuda":
            self._torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            self._torch.mps.synchronize()


class TorchMemory(Memory):
    """Memory of a CUDA GPU; for other devices, that of the host, which mps shares."""

    def __init__(self, torch: Any, device: Device) -> None:
        self._torch, self._device = torch, device

    def free(self) -> int | None:
        """Return the free bytes, including those that PyTorch holds in reserve."""
        if self._device.type != "cuda":
            return super().free()
        cuda = self._torch.cuda
        reserve = cuda.memory_reserved(self._device) - cuda.memory_allocated(self._device)
        return int(cuda.mem_get_info(self._device)[0] + reserve)

    def is_exhausted(self, error: BaseException) -> bool:
        """Recognize CUDA's own error class, and the messages of the CPU and Metal."""
        said = isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
        return said or isinstance(error, self._torch.OutOfMemoryError) or super().is_exhausted(error)


def _gather(features: Array, rows: Array, dtype: Any, scale: float) -> Array:
    x = features.index_select(0, rows).to(dtype)
    return x if scale == 1.0 else x.mul_(scale)


SHORT_ROW, LEAST_ROWS = 32, 128
"""Maximum length and minimum number of rows at which PyTorch's softmax is faster with the rows as columns."""


def _across(along_rows: Callable[[Array], Array], along_columns: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Make a function of rows (..., n, width) that handles many short rows at once, with vector instructions."""

    def function(logits: Array) -> Array:
        *rows, width = logits.shape
        if width > SHORT_ROW or math.prod(rows) < LEAST_ROWS or logits.ndim < 2:
            return along_rows(logits)
        return along_columns(logits.mT.contiguous()).mT

    return function


def _affine(torch: Any, x: Array, weights: Array, biases: Array) -> Array:
    return (torch.baddbmm if weights.ndim == 3 else torch.addmm)(biases, x, weights)


def _multiply_transposed(torch: Any, delta: Array, weights: Array) -> Array:
    """Multiply; PyTorch's operator takes as long to find the function for stacked matrices as a small product takes."""
    return torch.bmm(delta, weights.mT) if delta.ndim == weights.ndim == 3 else delta @ weights.mT


def _product_of_factors(torch: Any, activation: Array, delta: Array) -> Array:
    """Return the product in the weights' order, see `TorchBackend.copy`: optimisers pass over both together."""
    return (torch.bmm(delta.mT, activation) if delta.ndim == activation.ndim == 3 else delta.mT @ activation).mT


def _add_rows(xp: Namespace, table: Array, codes: Array, rows: Array) -> Array:
    """Add one row after another, on a CPU; on GPUs the order would vary, so they keep the definition."""
    below, numbers = rows_below_each_other(xp, table, codes)
    sums = xp.zeros(below.shape, dtype=below.dtype)
    return sums.index_add_(0, numbers, rows.reshape(len(numbers), -1)).reshape(table.shape)


def _mask(rows: Array, columns: Array, least: Any, factor: Any, dtype: Any) -> Array:
    """Compute masks by way of integers: PyTorch compares into booleans, and converts them, number by number."""
    return mixed(rows[..., None] + columns).ge_(least).to(dtype).mul_(factor)


def _add_product(weights: Array, activation: Array, delta: Array, scale: Array) -> Array:
    """Add a product to the weights by scaling the delta, since PyTorch's products take their factor from the host.

    To a stack stored column by column PyTorch adds one product after another; to the transposes, all at once.
    """
    delta = scale * delta
    if weights.ndim == 2:
        weights.addmm_(activation.mT, delta)
    elif weights.is_contiguous():
        weights.baddbmm_(activation.mT, delta)
    else:
        weights.mT.baddbmm_(delta.mT, activation)
    return weights


def _add_sum(biases: Array, delta: Array, scale: Array) -> Array:
    return biases.addcmul_(_sum_over_batch(delta), scale)


def _sum_over_batch(array: Array) -> Array:
    return array.sum(dim=-2, keepdim=True)
