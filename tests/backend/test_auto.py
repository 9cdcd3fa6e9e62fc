"""Choices of ``backend = "auto"``, on simulated machines."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from xpmlp.backend import Availability, registry, resolve
from xpmlp.errors import BackendError


class FakeBackend(NamedTuple):
    name: str
    device: str
    dtype: str
    device_name: str = "Some GPU"


def report(name: str, *devices: str, float64: bool = True) -> Availability:
    return Availability(name, "1.0", list(devices), float64, None)


def missing(name: str) -> Availability:
    return Availability(name, "", [], False, "not installed")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes the machine have what the reports say, and nothing else but the real NumPy."""
    real = registry.resolve

    def have(*reports: Availability) -> None:
        found = {name: missing(name) for name in ("cupy", "torch", "jax")} | {line.name: line for line in reports}

        def fake_resolve(name: str, device: str | None, dtype: str, **options: Any) -> Any:
            if name == "numpy":
                return real(name, device, dtype, **options)
            if dtype == "float64" and not found[name].float64:
                raise BackendError(f"device {device!r} has no float64.")
            return registry.Choice(FakeBackend(name, device, dtype), None)

        monkeypatch.setattr(registry, "probe", found.__getitem__)
        monkeypatch.setattr(registry, "resolve", fake_resolve)

    return have


@pytest.mark.parametrize(
    ("reports", "name", "device"),
    [
        ([report("cupy", "cuda:0", "cuda:1")], "cupy", "cuda:0"),
        ([report("torch", "cpu", "cuda:0"), report("jax", "cpu", "gpu:0")], "torch", "cuda:0"),
        ([report("cupy", "cuda:0"), report("torch", "cpu", "cuda:0")], "cupy", "cuda:0"),
        ([report("torch", "cpu"), report("jax", "cpu", "gpu:0")], "jax", "gpu:0"),
        ([report("torch", "cpu", "mps")], "torch", "mps"),
    ],
)
def test_a_gpu_is_taken_and_named(machine: Any, reports: list[Availability], name: str, device: str) -> None:
    machine(*reports)
    backend, reason = resolve("auto")
    assert (backend.name, backend.device, backend.dtype) == (name, device, "float32")
    assert reason == f"backend auto: {name} on {device} (Some GPU)."


def test_without_a_gpu_it_is_numpy_and_says_why(machine: Any) -> None:
    machine(Availability("cupy", "", [], False, "backend cupy finds no CUDA device: check it."), report("torch", "cpu"))
    backend, reason = resolve("auto", dtype="float64", fused=False, threads=3, tf32=True)
    assert (backend.name, backend.dtype_name, backend.threads, backend.tf32) == ("numpy", "float64", 3, True)
    assert reason == (
        "backend auto: numpy on cpu (cupy: backend cupy finds no CUDA device; torch: no GPU; jax: not installed)."
    )


def test_a_gpu_without_float64_is_passed_over(machine: Any) -> None:
    machine(report("torch", "cpu", "mps", float64=False), report("jax", "cpu", "gpu:0"))
    assert resolve("auto", dtype="float64").backend.name == "jax"
    machine(report("torch", "cpu", "mps", float64=False))
    backend, reason = resolve("auto", dtype="float64")
    assert backend.name == "numpy"
    assert "torch: device 'mps' has no float64" in str(reason)


def test_on_this_machine() -> None:
    backend, reason = resolve("auto")
    assert str(reason).startswith(f"backend auto: {backend.name} on ")
    assert backend.name == "numpy" or backend.is_accelerator
