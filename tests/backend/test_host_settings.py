"""Settings of a host program in its libraries: they change no results, and are unchanged afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from xpmlp import MLPClassifier, from_arrays
from xpmlp.backend import residence_of, resolve
from xpmlp.errors import BackendError

Setting = Callable[[], contextlib.AbstractContextManager[Any]]

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.arange(40) % 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_errors_of_floating_point_that_numpy_raises() -> None:
    model = MLPClassifier((5,), max_iter=1, random_state=0, backend="strict")
    with np.errstate(all="raise"):
        model.fit(X, Y).predict_proba(X * 1000)


def jax() -> Any:
    return pytest.importorskip("jax", reason="needs JAX")


def torch() -> Any:
    return pytest.importorskip("torch", reason="needs PyTorch")


def results(features: Any, host: Setting = contextlib.nullcontext) -> list[npt.NDArray[Any]]:
    """Outputs of a classifier for features on either solver, all of it computed under a setting of the host's."""
    with host():
        found = []
        for solver in ("adam", "lbfgs"):
            model = MLPClassifier((5,), solver=solver, alpha=0.1, batch_size=15, max_iter=2, random_state=0, tol=0)
            model.set_params(n_iter_no_change=100).fit(features, Y)
            found += [model.predict_proba(features), model.predict_log_proba(features), model.predict(features)]
    return [np.array(resolve(*residence_of(array)).backend.to_numpy(array)) for array in found]


def assert_as_without(features: Any, host: Setting) -> None:
    for found, expected in zip(results(features, host), results(features), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("numpy_rank_promotion", "raise"),
        ("numpy_dtype_promotion", "strict"),
        ("transfer_guard", "disallow"),
        ("transfer_guard", "disallow_explicit"),
        ("debug_nans", True),
        ("debug_infs", True),
        ("disable_jit", True),
        ("enable_checks", True),
        ("check_tracer_leaks", True),
        ("default_matmul_precision", "bfloat16"),
    ],
)
def test_strict_settings_of_jax(name: str, value: Any) -> None:
    features = jax().device_put(X)
    before = dict(jax().config.values)
    assert_as_without(features, lambda: getattr(jax(), name)(value))
    assert dict(jax().config.values) == before


def test_a_training_that_diverges_where_jax_stops_at_nan() -> None:
    with jax().debug_nans(True), pytest.raises(Exception, match="finite"):
        MLPClassifier(solver="sgd", learning_rate_init=1e30, backend="jax").fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_whole_numbers_on_jax_are_no_warning() -> None:
    whole = jax().device_put((X * 9).astype(np.int32))
    model = MLPClassifier((4,), max_iter=1).fit(whole, Y)
    assert model.coefs_[0].dtype == model.predict_proba(whole).dtype == np.float32


ON_SEVERAL_DEVICES = """
import jax, numpy as np, warnings
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from xpmlp import MLPClassifier, from_arrays
from xpmlp.errors import BackendError
warnings.simplefilter("ignore")
X, y = np.random.default_rng(0).normal(size=(20, 3)).astype("float32"), np.arange(20) % 2
mesh = Mesh(np.array(jax.devices()), ("d",))
here, there = (jax.device_put(X, device) for device in jax.devices())
new = lambda: MLPClassifier((4,), max_iter=1, random_state=0)
fitted = new().fit(here, y)
for parts in (PartitionSpec("d"), PartitionSpec()):
    spread = jax.device_put(X, NamedSharding(mesh, parts))
    labels = jax.device_put(y, NamedSharding(mesh, parts))
    for use in (
        lambda: MLPClassifier().fit(spread, y), lambda: MLPClassifier().fit(X, labels),
        lambda: fitted.predict(spread), lambda: fitted.score(here, labels),
        lambda: from_arrays(spread, y), lambda: from_arrays(X, labels),
    ):
        try:
            use()
        except BackendError as error:
            print(error)
expected = np.asarray(fitted.predict_proba(here))
with jax.set_mesh(mesh):
    under = new().fit(here, y).predict_proba(here)
assert (np.asarray(under) == expected).all()
assert (np.asarray(new().fit(there, y).predict_proba(there)) == expected).all()
"""


@pytest.mark.slow
def test_arrays_of_jax_on_several_devices() -> None:
    jax()
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_SEVERAL_DEVICES], env=environment, cwd=Path(__file__).parents[2], capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 12
    assert all("is spread over 2 devices" in line and "jax.device_put" in line for line in lines)


def test_arrays_of_jax_without_numbers() -> None:
    deleted = jax().device_put(X)
    deleted.delete()
    for use in (
        lambda: MLPClassifier().fit(deleted, Y),
        lambda: from_arrays(deleted, Y),
        lambda: jax().jit(lambda x: MLPClassifier().fit(x, Y).coefs_)(jax().device_put(X)),
    ):
        with pytest.raises(BackendError, match="an array of JAX's cannot be read"):
            use()


@contextlib.contextmanager
def switched(switch: str, value: Any) -> Iterator[None]:
    """A switch of PyTorch's backends, until the end of the test."""
    owner: Any = torch().backends
    *path, name = switch.split(".")
    for part in path:
        owner = getattr(owner, part, None)
    if not hasattr(owner, name):
        pytest.skip(f"this PyTorch has no switch {switch}")
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def matmul_precision(value: str) -> Iterator[None]:
    before = torch().get_float32_matmul_precision()
    torch().set_float32_matmul_precision(value)
    try:
        yield
    finally:
        torch().set_float32_matmul_precision(before)


@contextlib.contextmanager
def default_dtype(name: str) -> Iterator[None]:
    torch().set_default_dtype(getattr(torch(), name))
    try:
        yield
    finally:
        torch().set_default_dtype(torch().float32)


SETTINGS_OF_TORCH: dict[str, Setting] = {
    "autocast": lambda: torch().autocast("cpu", dtype=torch().bfloat16),
    "inference mode": lambda: torch().inference_mode(),
    "device meta": lambda: torch().device("meta"),
    "dtype float64": lambda: default_dtype("float64"),
    "dtype float16": lambda: default_dtype("float16"),
    "medium precision": lambda: matmul_precision("medium"),
    "TF32": lambda: switched("cuda.matmul.allow_tf32", True),
    "TF32, newer switch": lambda: switched("cuda.matmul.fp32_precision", "tf32"),
    "bfloat16 on a CPU": lambda: switched("mkldnn.matmul.fp32_precision", "bf16"),
    "TF32 everywhere": lambda: switched("fp32_precision", "tf32"),
}


def state_of_torch() -> list[Any]:
    """Settings that a session might change."""
    library = torch()
    kinds = [library.backends.cuda.matmul, getattr(library.backends.mkldnn, "matmul", None), library.backends]
    with contextlib.suppress(RuntimeError):  # what it says where both kinds of switches have been used
        kinds.append(library.get_float32_matmul_precision())
    switches = [kind if isinstance(kind, str) else getattr(kind, "fp32_precision", None) for kind in kinds]
    modes = [library.is_grad_enabled(), library.is_inference_mode_enabled(), library.is_autocast_enabled("cpu")]
    return [*switches, *modes, library.get_num_threads(), library.get_default_dtype(), library.get_default_device()]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SETTINGS_OF_TORCH)
def test_settings_of_torch(name: str) -> None:
    features = torch().from_numpy(X)

    @contextlib.contextmanager
    def watched() -> Iterator[None]:
        with SETTINGS_OF_TORCH[name]():
            before = state_of_torch()
            yield
            assert state_of_torch() == before

    assert_as_without(features, watched)


@pytest.mark.parametrize(
    ("convert", "kind"),
    [
        (lambda x: x.to_sparse(), "sparse_coo"),
        (lambda x: x.to_sparse_csr(), "sparse_csr"),
        (lambda x: torch().quantize_per_tensor(x, 0.1, 0, torch().qint8), "quantized"),
        (lambda x: torch().nested.nested_tensor([x[0], x[1]]), "nested"),
        (lambda x: x.to("meta"), "meta"),
    ],
    ids=["coo", "csr", "quantized", "nested", "meta"],
)
@pytest.mark.filterwarnings("ignore:.*(Sparse|quantiz|nested|prototype).*:UserWarning")
def test_tensors_that_are_no_rows_of_numbers(convert: Callable[[Any], Any], kind: str) -> None:
    features = convert(torch().from_numpy(X))
    for use in (lambda: MLPClassifier().fit(features, Y), lambda: from_arrays(features, Y)):
        with pytest.raises(BackendError, match=kind):
            use()


def test_a_library_that_others_have_imported_half_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "jax", "cupy"):
        monkeypatch.setitem(sys.modules, package, type(sys)(package))
    assert residence_of(X) == residence_of([1.0]) == ("numpy", "cpu")
