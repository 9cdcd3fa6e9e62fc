"""Our CUDA sources compile for the GPUs of today by CUDA's own compiler, NVRTC, which needs no GPU.

CuPy makes the sources of elementwise and fused kernels from what we write; these are made by CuPy here, too, by the
functions with which it does so for a call, on arrays whose memory nobody touches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.required import skip
from xpmlp.backend.cupy_ops import C_NAMES, GATHER, RANK_ONE, SOFTMAX, with_fused
from xpmlp.nn import pure_ops

ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
"""Of the A100, the H100 and H200, and the RTX 50 series."""

FLOATS = (np.float32, np.float64)


class Compiler(NamedTuple):
    """NVRTC as CuPy calls it."""

    cupy: Any
    nvrtc: Any

    def compile(self, source: str, architecture: str, *, headers: bool) -> bytes:
        """The machine code; ``headers`` are CuPy's."""
        core = self.cupy._core.core
        options = (*core.assemble_cupy_compiler_options(()), "-ftz=true", "--device-as-default-execution-space")
        if headers:
            source = "".join(f"#include <{header}>\n" for header in core._cupy_header_list) + source
        program = self.nvrtc.createProgram(source, "source.cu", (), ())
        try:
            self.nvrtc.compileProgram(program, (*options, f"-arch={architecture}"))
            return bytes(self.nvrtc.getCUBIN(program))
        except self.nvrtc.NVRTCError:
            pytest.fail(f"{self.nvrtc.getProgramLog(program)}\n{source}", pytrace=False)
        finally:
            self.nvrtc.destroyProgram(program)

    def array(self, dtype: Any, *shape: int) -> Any:
        """A CuPy array at an address where nothing is."""
        memory = self.cupy.cuda.UnownedMemory(4096, 2**20, None, device_id=0)
        return self.cupy.ndarray(shape, dtype, memptr=self.cupy.cuda.MemoryPointer(memory, 0))

    def elementwise(self, kernel: Any, types: dict[str, Any], arguments: list[Any], *, large: bool = False) -> str:
        """The source that CuPy makes of an ``ElementwiseKernel`` for a call with arrays and scalars (their types).

        Other sources are made for ``large`` arrays, whose indices take 64 bits.
        """
        from cupy._core import _carray, _kernel, _scalar

        is_array, is_index, is_scalar = 1, 2, 3

        def described(argument: Any) -> Any:
            if isinstance(argument, self.cupy.ndarray):
                contiguous = argument.flags.c_contiguous
                return _kernel._ArgInfo(
                    is_array, self.cupy.ndarray, argument.dtype.type, argument.ndim, contiguous, not large
                )
            return _kernel._ArgInfo(is_scalar, _scalar.CScalar, argument, 0, True, True)

        out = arguments[-1]
        index = _kernel._ArgInfo(is_index, _carray.Indexer, None, out.ndim, True, True)
        source: str = _kernel._get_elementwise_kernel_code(
            (*map(described, arguments), index),
            _kernel._TypeMap(tuple(sorted(types.items()))),
            *(kernel.params, kernel.operation, kernel.name, kernel.preamble),
        )
        return source

    def fused(self, function: Any, arguments: list[Any]) -> str:
        """The source that CuPy makes of a function that was given to ``cupy.fuse``."""
        from cupy._core import fusion

        history = fusion._FusionHistory()
        fusion._thread_local.history, fusion._thread_local.is_old_fusing = history, True
        try:
            kernel, _ = history.get_fusion(function.__wrapped__, arguments, function.__wrapped__.__name__)
        finally:
            fusion._thread_local.history, fusion._thread_local.is_old_fusing = None, False
        return self.elementwise(kernel, {}, [*arguments, arguments[0]])


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    try:
        import cupy
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()
    except ImportError as error:
        skip("cupy", f"CuPy cannot be imported here: {error}")
    except RuntimeError as error:
        skip("cupy", f"CuPy finds no NVRTC, which `pip install nvidia-cuda-nvrtc nvidia-cuda-runtime` brings: {error}")
    return Compiler(cupy, nvrtc)


architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
dtypes = pytest.mark.parametrize("dtype", FLOATS)


def assert_is_machine_code(code: bytes) -> None:
    assert code.startswith(b"\x7fELF")


@architectures
@pytest.mark.parametrize("number", C_NAMES.values())
def test_softmax(compiler: Compiler, number: str, architecture: str) -> None:
    assert_is_machine_code(compiler.compile(SOFTMAX.replace("NUMBER", number), architecture, headers=False))


@architectures
@pytest.mark.parametrize(
    ("stored", "dtype"), [(np.uint8, np.float32), (np.uint8, np.float64), (np.float32, np.float32)]
)
def test_gather(compiler: Compiler, stored: Any, dtype: Any, architecture: str) -> None:
    types = {"F": stored, "I": np.int64, "T": dtype}
    features, rows, out = compiler.array(stored, 9, 7), compiler.array(np.int64, 4), compiler.array(dtype, 4, 7)
    kernel = compiler.cupy.ElementwiseKernel(*GATHER)
    for large in (False, True):
        source = compiler.elementwise(kernel, types, [features, rows, np.int64, dtype, out], large=large)
        assert GATHER[2] in source
        assert_is_machine_code(compiler.compile(source, architecture, headers=True))


@architectures
@dtypes
def test_update_for_a_batch_of_one(compiler: Compiler, dtype: Any, architecture: str) -> None:
    """One run, whose rate is a number, and a stack, whose rates are an array; biases, whose activation is a number."""
    kernel = compiler.cupy.ElementwiseKernel(*RANK_ONE)
    a, d, w = compiler.array(dtype, 5, 1), compiler.array(dtype, 1, 3), compiler.array(dtype, 5, 3)
    stacked = [compiler.array(dtype, 2, *shape) for shape in ((5, 1), (1, 3), (1, 1), (5, 3), (5, 3))]
    for arguments in ([a, d, dtype, w, w], [dtype, d, dtype, d, d], stacked):
        source = compiler.elementwise(kernel, {"T": dtype}, arguments)
        assert RANK_ONE[2] in source
        assert_is_machine_code(compiler.compile(source, architecture, headers=True))


@architectures
@dtypes
def test_sigmoid(compiler: Compiler, dtype: Any, architecture: str) -> None:
    from array_api_compat import cupy as xp

    ops = with_fused(pure_ops(xp), compiler.cupy, None)  # type: ignore[arg-type]  # no product is asked for
    x = compiler.array(dtype, 4, 3)
    for function, arguments in ((ops.sigmoid, [x]), (ops.sigmoid_backward, [x, x])):
        assert_is_machine_code(compiler.compile(compiler.fused(function, arguments), architecture, headers=True))


def test_a_mistake_would_be_found(compiler: Compiler) -> None:
    with pytest.raises(pytest.fail.Exception, match="lane_of_nobody"):
        compiler.compile(
            SOFTMAX.replace("NUMBER", "float").replace("lane", "lane_of_nobody", 1), "sm_90", headers=False
        )
