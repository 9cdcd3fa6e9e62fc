"""CuPy's kernels without a GPU: our CUDA sources, compiled as C++ over a small shim and run on NumPy's arrays."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SHIM = Path(__file__).with_name("cuda_shim.hpp")

C_NAMES = {"uint8": "unsigned char", "int64": "long long", "float32": "float", "float64": "double"}

C_TYPES: dict[str, Any] = {
    "long long": ctypes.c_longlong,
    "int": ctypes.c_int,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}

LARGE = 2**24
"""Bytes from which on an array takes no memory before it is written to."""


def compiler() -> str | None:
    """A C++ compiler."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


def sparse(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Zeros that take no memory before they are written to, however many they are."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.zeros(shape, dtype)
    options = {}
    if sys.platform == "linux":  # which refuses to promise more than it has unless told that it need not
        options["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    return np.frombuffer(mmap.mmap(-1, size, **options), dtype).reshape(shape)


class CudaOnCpu:
    """As much of ``cupy`` as the fused operations take.

    Parameters
    ----------
    folder : Path
        For what is compiled.
    """

    tanh = staticmethod(np.tanh)
    ascontiguousarray = staticmethod(np.ascontiguousarray)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ElementwiseKernel, self.RawKernel = partial(ElementwiseKernel, self), partial(RawKernel, self)
        self.blocks: range | None = None
        """Of a launch, those that are run; all where not given."""

    def empty(self, shape: Any, dtype: Any) -> npt.NDArray[Any]:
        return np.full(shape, 77, dtype)  # no kernel may rely on what it finds

    def empty_like(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return sparse(array.shape, array.dtype)

    def fuse(self, function: Any) -> Any:
        return function

    def compiled(self, source: str) -> ctypes.CDLL:
        """The library that a source makes; compiled once."""
        stem = self.folder / hashlib.sha256(source.encode()).hexdigest()[:16]
        library = stem.with_suffix(".so")
        if not library.exists():
            stem.with_suffix(".cpp").write_text(source)
            found = compiler()
            assert found is not None
            command = [
                found,
                "-std=c++20",
                "-O1",
                "-Wall",
                "-Werror",
                "-fPIC",
                "-shared",
                "-pthread",
                f"-I{SHIM.parent}",
            ]
            subprocess.run([*command, str(stem.with_suffix(".cpp")), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


class RawKernel:
    """As ``cupy.RawKernel``."""

    def __init__(self, cuda: CudaOnCpu, code: str, name: str) -> None:
        found = re.search(rf"void {name}\(([^)]*)\)", code)
        assert found is not None
        self._cuda = cuda
        self._types = [one.rsplit(" ", 1)[0].removeprefix("const ") for one in found[1].split(", ")]
        parameters = ", ".join(f"{kind} p{index}" for index, kind in enumerate(self._types))
        passed = ", ".join(f"p{index}" for index in range(len(self._types)))
        self._run = cuda.compiled(
            f'#include "{SHIM.name}"\n{code}\n'
            f'extern "C" void run(long long first, long long last, unsigned threads, {parameters}) {{\n'
            f"    launch(first, last, threads, [&] {{ {name}({passed}); }});\n}}\n"
        ).run

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: Sequence[Any]) -> None:
        blocks = self._cuda.blocks or range(grid[0])
        assert blocks.stop <= grid[0] < 2**31, "CUDA refuses it"
        bounds = (ctypes.c_longlong(blocks.start), ctypes.c_longlong(blocks.stop), ctypes.c_uint(block[0]))
        passed = (_passed(one, kind) for one, kind in zip(arguments, self._types, strict=True))
        self._run(*bounds, *passed)


class ElementwiseKernel:
    """As ``cupy.ElementwiseKernel``: the operation for each index, on arrays that are broadcast but for raw ones."""

    def __init__(self, cuda: CudaOnCpu, inputs: str, outputs: str, operation: str, name: str) -> None:
        self._cuda, self._operation, self._name = cuda, operation, name
        self._inputs = [one.split() for one in inputs.split(", ")]
        self._outputs = [one.split() for one in outputs.split(", ")]

    def __call__(self, *arguments: Any) -> Any:
        *given, out = arguments
        (kind, result), types = self._outputs[0], {"int64": "long long"}
        types[kind] = C_NAMES[out.dtype.name]
        parameters, references, passed, kept = ["long long size"], [], [ctypes.c_longlong(out.size)], []
        for (*raw, kind, name), one in zip(self._inputs, given, strict=True):
            is_array = isinstance(one, np.ndarray)
            if is_array:
                assert types.setdefault(kind, C_NAMES[one.dtype.name]) == C_NAMES[one.dtype.name], "CuPy refuses it"
                array = one if raw else np.ascontiguousarray(np.broadcast_to(one, out.shape))
                assert array.flags.c_contiguous, "raw arrays are indexed as if they were"
                kept.append(array)
            parameters.append(f"const {kind}* {name if raw else name + '_'}" if is_array else f"const {kind} {name}")
            references += [f"const {kind}& {name} = {name}_[i];"] if is_array and not raw else []
            passed.append(_passed(array, f"{kind}*") if is_array else _passed(one, types[kind]))
        kind = self._outputs[0][0]
        named = "".join(f"typedef {c_name} {letter};\n" for letter, c_name in types.items() if len(letter) == 1)
        source = (
            f"#define int64 long long\n{named}"
            f'extern "C" void {self._name}({", ".join([*parameters, f"{kind}* {result}_"])}) {{\n'
            f"    for (long long i = 0; i < size; ++i) {{\n        {' '.join(references)}\n"
            f"        {kind}& {result} = {result}_[i];\n        {self._operation};\n    }}\n}}\n"
        )
        assert out.flags.c_contiguous
        getattr(self._cuda.compiled(source), self._name)(*passed, _passed(out, f"{kind}*"))
        return out


def _passed(value: Any, kind: str) -> Any:
    return ctypes.c_void_p(value.ctypes.data) if kind.endswith("*") else C_TYPES[kind](value)
