"""A stand-in for CuPy that computes with NumPy and records what is asked of it."""

from __future__ import annotations

import contextlib
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np


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

    def __exit__(self, *_: object) -> None:
        return


class Pool:
    """As ``cupy.cuda.MemoryPool``: counts how often its memory is given back."""

    given_back = 0

    def free_all_blocks(self) -> None:
        self.given_back += 1

    def free_bytes(self) -> int:
        return 10


class Stream(contextlib.AbstractContextManager["Stream"]):
    """As ``cupy.cuda.Stream``: knows whether it is the current one, and whether it was waited for."""

    current: Stream | None = None
    synchronized = False

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


def gemm(transa: str, transb: str, a: Any, b: Any, out: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
    """As ``cupy.cublas.gemm``: into ``out``."""
    out[...] = alpha * (a.T if transa == "T" else a) @ (b.T if transb == "T" else b) + beta * out
    return out


def stand_in(devices: int) -> SimpleNamespace:
    """What the backend needs of ``cupy``, on a machine with this many GPUs."""
    pool = Pool()

    def count() -> int:
        if not devices:
            raise CudaError
        return devices

    runtime = SimpleNamespace(
        CUDARuntimeError=CudaError,
        getDeviceCount=count,
        getDeviceProperties=lambda device: {"name": b"Stand-in"},
        memGetInfo=lambda: (100, 1000),
    )
    return SimpleNamespace(
        __version__="0",
        __spec__=ModuleSpec("cupy", None),
        asnumpy=np.array,
        fuse=lambda function: function,
        exp=np.exp,
        tanh=np.tanh,
        cublas=SimpleNamespace(gemm=gemm),
        cuda=SimpleNamespace(Device=Device, Stream=Stream, runtime=runtime),
        get_default_memory_pool=lambda: pool,
        _core=SimpleNamespace(_routines_linalg=products()),
    )


class Recording(NamedTuple):
    """What has been asked of ``cupy`` and of ``array_api_compat.cupy``."""

    names: set[str]
    uses: set[Use]
