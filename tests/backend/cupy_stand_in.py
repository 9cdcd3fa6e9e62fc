"""A stand-in for CuPy that computes with NumPy and records the calls."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
import pytest


class Use(NamedTuple):
    """One way in which a function was called: what matters for its signature."""

    name: str
    positional: int
    keywords: tuple[str, ...]


class Recorder:
    """An object that notes the names looked up in it and the calls of its functions."""

    def __init__(self, wrapped: Any, path: str, names: set[str], uses: set[Use]) -> None:
        self._wrapped, self._path, self._names, self._uses = wrapped, path, names, uses

    def __getattr__(self, name: str) -> Any:
        found, path = getattr(self._wrapped, name), f"{self._path}.{name}"
        self._names.add(path)
        if isinstance(found, SimpleNamespace):
            return Recorder(found, path, self._names, self._uses)
        if isinstance(found, (type, str)) or not callable(found):
            return found

        def recorded(*positional: Any, **keywords: Any) -> Any:
            self._uses.add(Use(path, len(positional), tuple(sorted(keywords))))
            return found(*positional, **keywords)

        return recorded


class CudaError(Exception):
    """As ``cupy.cuda.runtime.CUDARuntimeError``."""


class Device(contextlib.AbstractContextManager["Device"]):
    """As ``cupy.cuda.Device``."""

    compute_capability = "80"

    def __init__(self, device: int) -> None:
        self.id = device

    def synchronize(self) -> None:
        return

    def __eq__(self, other: object) -> bool:
        return other == "cpu" or (
            isinstance(other, Device) and other.id == self.id
        )  # where NumPy's arrays say they are

    def __hash__(self) -> int:
        return hash("cpu")

    def __exit__(self, *_: object) -> None:
        return


class Pool:
    """As ``cupy.cuda.MemoryPool``: counts how often its memory is given back."""

    given_back = 0

    def free_all_blocks(self) -> None:
        self.given_back += 1

    def free_bytes(self) -> int:
        return 10

    def malloc(self, size: int) -> None:
        raise AssertionError("NumPy takes its own memory")


class Memory:
    """A GPU's memory: of its bytes, the arrays that `empty` has made take as many as they have, while they live."""

    def __init__(self, size: int) -> None:
        self.free = self.size = size

    def empty(self, *shape_and_dtype: Any) -> Any:
        """As ``cupy.empty``."""
        array = np.empty(*shape_and_dtype)
        if array.nbytes > self.free:
            raise MemoryError(f"{array.nbytes} bytes, {self.free} are free")
        self._take(array.nbytes)
        weakref.finalize(array, self._take, -array.nbytes)
        return array

    def _take(self, count: int) -> None:
        self.free -= count


class Stream(contextlib.AbstractContextManager["Stream"]):
    """As ``cupy.cuda.Stream``: knows whether it is current, was waited for, and records."""

    current: Stream | None = None
    synchronized = False
    capturing = False
    launches = 0

    def begin_capture(self) -> None:
        self.capturing = True

    def end_capture(self) -> Graph:
        self.capturing = False
        return Graph()

    def synchronize(self) -> None:
        self.synchronized = True

    def __enter__(self) -> Stream:
        Stream.current = self
        return self

    def __exit__(self, *_: object) -> None:
        Stream.current = None


def products() -> SimpleNamespace:
    """As ``cupy._core._routines_linalg``: which type float32 products are computed in, the default at first."""
    compute_types = {np.float32: 1}
    return SimpleNamespace(
        COMPUTE_TYPE_DEFAULT=1,
        COMPUTE_TYPE_TF32=7,
        get_compute_type=lambda dtype: compute_types[dtype],
        set_compute_type=lambda dtype, compute_type: compute_types.update({dtype: compute_type}),
    )


class Cublas:
    """As ``xpmlp.backend.cublas.Cublas``."""

    released = 0

    def __init__(self, cupy: Any, *, tf32: bool) -> None:
        self.tf32 = tf32

    def product(self, a: Any, b: Any, out: Any, alpha: Any = 1.0, beta: float = 0.0) -> Any:
        out[...] = alpha * (a @ b) + (beta * out if beta else 0.0)
        return out

    def release(self) -> None:
        self.released += 1


def elementwise_kernel(inputs: str, outputs: str, operation: str, name: str) -> Any:
    """As ``cupy.ElementwiseKernel``, of the kernels that there are."""

    def gather(features: Any, rows: Any, width: int, scale: float, x: Any) -> Any:
        assert width == features.shape[1]
        x[...] = features[rows]
        x *= scale
        return x

    def rank_one(a: Any, d: Any, scale: Any, w: Any, updated: Any) -> Any:
        updated[...] = w + scale * (a * d)
        return updated

    return {"xpmlp_gather": gather, "xpmlp_rank_one": rank_one}[name]


def raw_kernel(code: str, name: str) -> Any:
    """As ``cupy.RawKernel``, of the softmax."""

    def softmax(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        logits, probabilities, rows, width = arguments
        assert (grid[0] * block[0] // 32 >= rows, width) == (True, logits.shape[-1])
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities[...] = powers / powers.sum(axis=-1, keepdims=True)

    assert name == "softmax"
    return softmax


class Graph:
    """As ``cupy.cuda.Graph``."""

    def launch(self, stream: Stream) -> None:
        stream.launches += 1


@contextlib.contextmanager
def using_allocator(allocator: Any) -> Iterator[None]:
    """As ``cupy.cuda.using_allocator``."""
    yield


def stand_in(devices: int, memory: int | None = None) -> SimpleNamespace:
    """The part of ``cupy`` that the backend needs, on a machine with this many GPUs.

    Parameters
    ----------
    devices : int
    memory : int, optional
        Bytes of memory to run out of; without it, 100 are always free.
    """
    pool, limited = Pool(), None if memory is None else Memory(memory)

    def count() -> int:
        if not devices:
            raise CudaError
        return devices

    runtime = SimpleNamespace(
        CUDARuntimeError=CudaError,
        getDeviceCount=count,
        getDeviceProperties=lambda device: {"name": b"Stand-in"},
        memGetInfo=lambda: (100, 1000) if limited is None else (limited.free, limited.size),
    )
    return SimpleNamespace(
        __version__="0",
        __spec__=ModuleSpec("cupy", None),
        ndarray=type("ndarray", (), {}),  # what is made here is NumPy's
        asnumpy=np.array,
        fuse=lambda function: function,
        exp=np.exp,
        tanh=np.tanh,
        empty=np.empty if limited is None else limited.empty,
        empty_like=np.empty_like,
        ascontiguousarray=np.ascontiguousarray,
        ElementwiseKernel=elementwise_kernel,
        RawKernel=raw_kernel,
        cuda=SimpleNamespace(
            Device=Device,
            Stream=Stream,
            MemoryPool=Pool,
            runtime=runtime,
            get_current_stream=lambda: Stream.current,
            using_allocator=using_allocator,
        ),
        get_default_memory_pool=lambda: pool,
        _core=SimpleNamespace(_routines_linalg=products()),
    )


def put_in_place(cupy: Any, xp: Any, patch: pytest.MonkeyPatch) -> None:
    """Have the program find ``cupy`` and ``xp`` as CuPy and as what array-api-compat makes of it."""
    patch.setitem(sys.modules, "cupy", cupy)
    patch.setattr(array_api_compat, "cupy", xp, raising=False)
    patch.setattr("xpmlp.backend.cublas.Cublas", Cublas)
    # NumPy does what it is asked at once, and again at each launch
    patch.setattr("xpmlp.backend.cupy.CupyBackend._record", lambda backend, body: body)


class Recording(NamedTuple):
    """Record of everything asked of ``cupy`` and of ``array_api_compat.cupy``."""

    names: set[str]
    uses: set[Use]
