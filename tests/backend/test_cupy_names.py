"""CuPy without a GPU: the real program on a stand-in that records what is asked of CuPy, held against CuPy itself.

CuPy imports without a driver, so that its names and signatures can be looked at.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.backend.cupy_stand_in import Recording, Use
from tests.nn.layers import cases as layers
from tests.required import skip
from tests.training.small import small_problem, train_runs
from xpmlp.backend import Backend, probe, resolve
from xpmlp.errors import BackendError
from xpmlp.nn import activations, cross_entropy
from xpmlp.nn.layer import Inputs
from xpmlp.nn.layers.dense import per_example_gradients
from xpmlp.optim import optimizers
from xpmlp.training.run import RunSettings, Status


def use_everything(backend: Backend) -> None:
    """Train, evaluate and predict with every activation and optimiser, one run and several, one of which diverges.

    Every layer forwards and backwards.
    """
    for activation in activations:
        problem = small_problem(backend, activation=activation, learning_rate=0.01)
        (run,) = train_runs(problem)
        assert run.status is Status.FINISHED
        with backend.session(8):
            problem.inference.predict(run.parameters or [], problem.dataset.train.features.astype(np.float64))
    for optimizer in optimizers:
        train_runs(small_problem(backend, optimizer=optimizer, patience=1, evaluate_train=True))
        with np.errstate(over="ignore", invalid="ignore"):  # of which a GPU would say nothing
            diverging, *others = train_runs(
                small_problem(backend, optimizer=optimizer, activation="identity"),
                *(RunSettings(seed, rate, 1e-3, 0.5) for seed, rate in enumerate((1e300, 0.01, 0.01))),
            )
        assert diverging.status is Status.DIVERGED
        assert {run.status for run in others} == {Status.FINISHED}
    pieces = {"clip_norm": 1.0, "averaging": 0.9, "rates": {"biases": 0.1}}
    train_runs(small_problem(backend, optimizer="adamw", weight_decay=0.1, **pieces))
    one, targets = backend.parameters([np.ones((2, 3)), np.eye(2, 3)])
    _, delta = cross_entropy(backend.ops, one, targets, backend.asarray(np.ones(2)))
    per_example_gradients(one, delta)
    for case in layers.CASES.values():
        parameters, x = case.parameters(2), case.inputs(2)
        on_gpu = Inputs(backend.asarray(x.numbers), backend.asarray(x.codes))
        layers.passes(
            backend.ops, case.layer, backend.parameters(parameters), on_gpu, backend.asarray(case.upstream(2))
        )
    backend.memory.free()
    backend.synchronize()


@pytest.fixture
def used(recording: Recording) -> Recording:
    """Record everything that the whole program asks of CuPy."""
    use_everything(resolve("cupy", "cuda:1", "float64").backend)
    return recording


@pytest.fixture
def cupy() -> Any:
    """The real CuPy; asked for before ``used``, which puts the stand-in in its place."""
    try:
        import cupy
        from array_api_compat import cupy as compat
    except ImportError as error:
        skip("cupy", f"CuPy cannot be imported here: {error}")
    return SimpleNamespace(cupy=cupy, array_api_compat=SimpleNamespace(cupy=compat))


def real(cupy: Any, path: str) -> Any:
    """Find the object that a recorded name stands for."""
    for name in path.split("."):
        cupy = getattr(cupy, name)
    return cupy


def accepts(function: Any, use: Use) -> bool:
    """Whether a function can be called that way, as far as its signature can be seen."""
    if hasattr(function, "nin") and not isinstance(function, type):  # a ufunc
        return use.positional == function.nin and set(use.keywords) <= {"out", "casting", "dtype"}
    try:
        inspect.signature(function).bind(*range(use.positional), **dict.fromkeys(use.keywords))
    except TypeError:
        return False
    except ValueError:  # compiled, without a signature
        return True
    return True


def test_cupy_has_every_name(cupy: Any, used: Recording) -> None:
    missing = []
    for path in sorted(used.names):
        try:
            real(cupy, path)
        except AttributeError:
            missing.append(path)
    assert missing == []


def test_cupy_accepts_every_call(cupy: Any, used: Recording) -> None:
    assert [use for use in sorted(used.uses) if not accepts(real(cupy, use.name), use)] == []


def test_cupy_has_the_methods_of_its_devices_and_memory(cupy: Any) -> None:
    for method in ("id", "compute_capability", "synchronize", "__enter__", "__exit__"):
        assert hasattr(cupy.cupy.cuda.Device, method)
    for method in ("synchronize", "__enter__", "__exit__", "begin_capture", "end_capture"):
        assert hasattr(cupy.cupy.cuda.Stream, method)
    assert callable(cupy.cupy.cuda.Graph.launch)
    assert callable(cupy.cupy.cuda.using_allocator)
    assert callable(cupy.cupy.cuda.get_current_stream)
    assert callable(cupy.array_api_compat.cupy.from_dlpack)
    for method in ("malloc", "free_all_blocks", "free_bytes"):
        assert hasattr(cupy.cupy.cuda.MemoryPool, method)
    assert issubclass(cupy.cupy.cuda.runtime.CUDARuntimeError, Exception)


@pytest.mark.slow
def test_the_program_is_recorded(used: Recording) -> None:
    """A name of every part of the program, or the tests above would look at nothing."""
    functions = {use.name.removeprefix("array_api_compat.cupy.") for use in used.uses}
    assert functions >= {
        *("matrix_transpose", "exp", "log", "max", "sum", "tanh", "maximum", "astype", "argmax", "broadcast_to"),
        *("expm1", "sqrt", "zeros", "zeros_like", "take", "reshape", "stack", "mean", "isfinite"),
        *("cos", "sin", "moveaxis", "concat", "arange", "expand_dims"),
        *("asarray", "cupy.asnumpy", "cupy.cuda.runtime.getDeviceCount", "cupy.get_default_memory_pool"),
        *("cupy.fuse", "cupy.ElementwiseKernel", "cupy.RawKernel", "cupy.empty"),
    }
    assert Use("array_api_compat.cupy.sum", 1, ("axis", "keepdims")) in used.uses
    assert {"cupy.__version__", "cupy.cuda.Device", "array_api_compat.cupy.float64"} <= used.names


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (Use("array_api_compat.cupy.sum", 1, ("axis", "keepdims")), True),
        (Use("array_api_compat.cupy.sum", 1, ("axes",)), False),
        (Use("array_api_compat.cupy.tanh", 1, ()), True),
        (Use("array_api_compat.cupy.tanh", 2, ()), False),
        (Use("array_api_compat.cupy.tanh", 1, ("where",)), False),
    ],
)
def test_a_wrong_call_would_be_found(use: Use, expected: bool, cupy: Any) -> None:
    assert accepts(real(cupy, use.name), use) is expected


@pytest.mark.parametrize("device", [None, "cuda", "cuda:0", "cuda:1"])
def test_device_is_named_as_cupy_counts(device: str | None, recording: Recording) -> None:
    backend = resolve("cupy", device).backend
    assert backend.device.id == (1 if device == "cuda:1" else 0)
    assert (backend.device_name, backend.is_accelerator) == ("Stand-in", True)


def test_report_lists_the_devices(recording: Recording) -> None:
    report = probe("cupy")
    assert (report.devices, report.float64, report.problem) == (["cuda:0", "cuda:1"], True, None)


def test_float32_training_stays_float32(recording: Recording) -> None:
    problem = small_problem(resolve("cupy", None, "float32").backend, optimizer="adam")
    (run,) = train_runs(problem)
    assert {leaf.dtype for layer in run.parameters or [] for leaf in layer} == {np.dtype("float32")}


def test_missing_device_is_one_sentence(recording: Recording) -> None:
    with pytest.raises(BackendError, match=r"^backend cupy has no device 'cuda:7' here; it has cuda:0, cuda:1\.$"):
        resolve("cupy", "cuda:7")


@pytest.mark.parametrize("devices", [0])
def test_missing_driver_is_one_sentence(recording: Recording) -> None:
    with pytest.raises(BackendError, match=r"finds no CUDA device: check the driver .* `--backend numpy`\.$"):
        resolve("cupy")
    assert probe("cupy").problem
