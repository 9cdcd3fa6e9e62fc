"""The free memory of the host, on simulated machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xpmlp.backend import host_memory
from xpmlp.backend.host_memory import free_host_memory

STAT = "anon 500\ninactive_file 200\nactive_file 3\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 4 MB available and no containers' limits yet; files put here make them."""
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:  4000 kB\n")
    monkeypatch.setattr(host_memory, "MEMINFO", tmp_path / "meminfo")
    groups = tuple((tmp_path / str(version), *group[1:]) for version, group in enumerate(host_memory.CGROUPS))
    for folder, *_ in groups:
        folder.mkdir()
    monkeypatch.setattr(host_memory, "CGROUPS", groups)
    return tmp_path


def write_group(folder: Path, limit: str, used: str, *, names: tuple[str, str]) -> None:
    for name, text in zip((*names, "memory.stat"), (limit, used, STAT), strict=True):
        (folder / name).write_text(text)


VERSIONS = [(str(version), group[1:]) for version, group in enumerate(host_memory.CGROUPS)]


def test_without_a_limit_it_is_what_the_machine_has(machine: Path) -> None:
    assert free_host_memory() == 4_096_000


@pytest.mark.parametrize(("version", "names"), VERSIONS)
@pytest.mark.parametrize(
    ("limit", "expected"),
    [("100000\n", 99_500), ("600", 100), ("400", 0), ("9" * 18, 4_096_000), ("max\n", 4_096_000)],
)
def test_a_limit_less_what_is_used_and_could_not_be_given_up(
    machine: Path, version: str, names: tuple[str, str], limit: str, expected: int
) -> None:
    write_group(machine / version, limit, "700", names=names)
    assert free_host_memory() == expected


def test_elsewhere_than_on_linux_the_unused_pages(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "meminfo").unlink()
    monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": 30, "SC_PAGE_SIZE": 10}.__getitem__)
    assert free_host_memory() == 300


def test_where_nothing_tells(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "meminfo").unlink()
    monkeypatch.delattr(os, "sysconf")
    assert free_host_memory() is None


def test_on_this_machine() -> None:
    free = free_host_memory()
    assert free is None or 2**20 < free < 2**50
