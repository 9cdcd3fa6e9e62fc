"""Resolution of a config's backend, device and dtype: a backend, or an error in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers import CASES, Case
from xpmlp.backend import NAMES, Backend, probe, resolve
from xpmlp.errors import BackendError


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_backend_is_what_was_asked_for(case: Case, get_backend: Callable[..., Backend]) -> None:
    backend = get_backend(case.name, case.device, case.dtype)
    assert backend.name == case.name
    assert backend.dtype_name == case.dtype
    assert backend.dtype == getattr(backend.xp, case.dtype)
    assert (case.device or "cuda:0") in backend.devices()
    assert backend.version in repr(backend)
    assert case.dtype in repr(backend)
    assert resolve(case.name, case.device, case.dtype).reason is None


@pytest.mark.parametrize(
    ("name", "device", "dtype", "sentence"),
    [
        (
            "tensorflow",
            None,
            "float32",
            "there is no backend 'tensorflow'; there are auto, numpy, cupy, torch, jax.",
        ),
        ("numpy", "cuda:0", "float32", "backend numpy has no device 'cuda:0': NumPy runs on 'cpu' only; "),
        ("strict", "gpu", "float32", "backend strict has no device 'gpu'; it has cpu, device1, device2, "),
        (
            "strict",
            "no_float64",
            "float64",
            "device 'no_float64' of backend strict has no float64: set backend.dtype to",
        ),
        ("torch", "cuda:99", "float32", "backend torch has no device 'cuda:99' here; it has cpu"),
        ("torch", "gpu", "float32", "backend torch has no device 'gpu' here; it has cpu"),
        ("torch", "meta", "float32", "backend torch has no device 'meta' here; it has cpu"),
        ("jax", "gpu:99", "float32", "backend jax has no device 'gpu:99' here; it has cpu"),
        ("jax", "cuda:99", "float32", "backend jax has no device 'cuda:99' here; it has cpu"),
        ("jax", "cpu:99", "float32", "backend jax has no device 'cpu:99' here; it has cpu"),
        ("jax", "cpu:one", "float32", "backend jax has no device 'cpu:one' here; it has cpu"),
        ("jax", "cpu:-1", "float32", "backend jax has no device 'cpu:-1' here; it has cpu"),
        (
            "auto",
            "cuda:0",
            "float32",
            "backend auto chooses the device itself, but 'cuda:0' was given: name the backend, too.",
        ),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_cannot_be_had(
    name: str, device: str | None, dtype: Any, sentence: str, get_backend: Callable[..., Backend]
) -> None:
    if name in NAMES:
        get_backend(name)  # skips where the library is missing
    assert error_of(name, device, dtype).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "package", "sentence"),
    [
        ("cupy", "cupy", r"backend cupy needs CuPy, .*: install it with `pip install 'xpmlp\[cuda13\]'`"),
        ("torch", "torch", r"backend torch needs PyTorch, .*: install it with `pip install 'xpmlp\[torch\]'`"),
        ("jax", "jax", r"backend jax needs JAX, .*: install it with `pip install 'xpmlp\[jax\]'`"),
        ("strict", "array_api_strict", r"backend strict needs array-api-strict, .*: install it with `pip install "),
    ],
)
def test_a_library_that_is_not_installed(
    name: str, package: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=sentence):
        resolve(name)
    assert probe(name) == (name, "", [], False, "not installed")


def test_mps_has_no_float64(get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    get_backend("torch")
    import torch

    as_if_there = SimpleNamespace(device=torch.device("mps"))
    monkeypatch.setattr(torch, "empty", lambda size, device: as_if_there)
    assert error_of("torch", "mps", "float64") == "device 'mps' has no float64: set backend.dtype to \"float32\"."


@pytest.mark.parametrize(
    ("found", "device", "sentence"),
    [
        ([], None, "backend cupy finds no CUDA device: check the driver with `nvidia-smi`"),
        (["cuda:0"], "cuda:3", "backend cupy has no device 'cuda:3' here; it has cuda:0."),
        (["cuda:0", "cuda:1"], "cpu", "backend cupy has no device 'cpu' here; it has cuda:0, cuda:1."),
    ],
)
def test_cupy_without_the_device(
    found: list[str], device: str | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cupy", reason="CuPy is not installed")
    from xpmlp.backend.cupy import CupyBackend

    monkeypatch.setattr(CupyBackend, "devices", lambda self: found)
    assert error_of("cupy", device).startswith(sentence)


def test_float64_that_jax_refuses(get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    get_backend("jax")
    import jax

    enable = jax.enable_x64
    monkeypatch.setattr(jax, "enable_x64", lambda _: enable(False))
    with pytest.warns(UserWarning, match="float64"):
        sentence = error_of("jax", None, "float64")
    assert sentence.startswith("backend jax cannot do float64 in this process:")


def error_of(name: str, device: str | None = None, dtype: Any = "float32") -> str:
    """The sentence; there has to be exactly one line of it."""
    with pytest.raises(BackendError) as caught:
        resolve(name, device, dtype)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "allows)."))
    assert caught.value.exit_status == 2
    return sentence


@pytest.mark.parametrize("name", ["numpy", "strict", "torch", "jax"])
def test_probe(name: str, get_backend: Callable[..., Backend]) -> None:
    backend = get_backend(name)
    assert probe(name) == (name, backend.version, backend.devices(), True, None)
    assert backend.devices()[0] == "cpu"
