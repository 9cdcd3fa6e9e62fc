"""Resuming with another backend, number of threads, version or kind of CPU: reported as not bitwise, and correct."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xpmlp
from tests.digits import digits_config
from tests.helpers import relative_difference
from tests.training.interrupted import FREQUENT, copied, dies, resumed
from xpmlp.backend import Backend
from xpmlp.storage import load_network, provenance

NAMES = ("numpy", "torch", "jax", "strict", "cupy")


ON_EACH = {name: digits_config({**FREQUENT, "backend.name": name}) for name in NAMES}


@pytest.fixture(scope="module")
def killed_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A training of one epoch on a backend, that died; not to be changed."""

    @functools.cache
    def folder_of(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name) / "run"
        dies(ON_EACH[name], folder, 9)
        return folder

    return folder_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The losses and the parameters of the same training without an interruption, on NumPy."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    losses = xpmlp.train(ON_EACH["numpy"], folder).run.losses
    return losses, load_network(folder / "weights.safetensors").parameters


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(NAMES, 2)))
def test_from_one_backend_to_another(
    one: str,
    other: str,
    get_backend: Callable[..., Backend],
    killed_on: Callable[[str], Path],
    undisturbed: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    """Every pair of libraries: said to be not bitwise, and equal to the tolerance of parity."""
    for name in (one, other):
        get_backend(name)
    folder = copied(killed_on(one), tmp_path)
    result, notes = resumed(ON_EACH[other], folder)
    assert f"backend {other}, before {one}" in notes[1]
    assert notes[1].startswith("not bitwise what it would have been without the interruption: ")
    losses, parameters = undisturbed
    assert relative_difference(result.run.losses, losses) <= 1e-5
    for layer, expected in zip(load_network(folder / "weights.safetensors").parameters, parameters, strict=True):
        for leaf, wanted in zip(layer, expected, strict=True):
            assert relative_difference(leaf, wanted) <= 1e-5


def test_the_number_of_threads_is_used_again(tmp_path: Path) -> None:
    config = digits_config({**FREQUENT, "backend.threads": 2})
    dies(config, tmp_path / "run", 9)
    free = digits_config(FREQUENT)
    result, (_,) = resumed(free, copied(tmp_path / "run", tmp_path / "two"))
    assert result.backend.threads == 2
    other = digits_config({**FREQUENT, "backend.threads": 1, "backend.fused": False})
    _, (_, note) = resumed(other, copied(tmp_path / "run", tmp_path / "one"))
    assert "threads 1, before 2; fused operations none, before " in note


def test_another_kind_of_cpu_or_version(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "processor", lambda: "abacus")
    monkeypatch.setattr(provenance, "__version__", "9.9")
    _, (_, note) = resumed(digits_config({**FREQUENT, "train.epochs": 3}), copied(killed, tmp_path))
    assert "xpmlp 9.9, before " in note
    assert "processor abacus, before " in note
