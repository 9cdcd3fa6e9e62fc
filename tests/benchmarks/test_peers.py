"""``benchmarks``: its small form runs, the contestants learn the same, and the files are written."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import peers, process
from benchmarks.contestants import CONTESTANTS, FLOOR, REFERENCE, ContestantError, Entry
from benchmarks.measure import Measurement, Row, Spread
from benchmarks.seat import Seat
from benchmarks.works import WORKS
from tests.digits import QUICKSTART

PACKAGES = {"torch": "torch", "jax": "jax", "keras": "keras", "sklearn": "sklearn"}


ON_CPU = {name for name, entry in CONTESTANTS.items() if entry.device == "cpu" and "compile" not in name}


def missing(name: str) -> bool:
    """Whether a contestant's library is not installed."""
    needed = [package for part, package in PACKAGES.items() if part in name] + ["jax"] * ("keras" in name)
    return any(importlib.util.find_spec(package) is None for package in needed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a tiny benchmark on the digits, and return the folder that it has written."""
    folder = tmp_path_factory.mktemp("benchmarks")
    works = "digits,digits-grid,digits-accuracy"
    contestants = ",".join(sorted(ON_CPU))  # the machine may have a GPU
    options = ["--quick", "--works", works, "--threads", "1", "--rounds", "2", "--seconds", "0.001"]
    options += ["--contestants", contestants]
    assert peers.main([*options, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path) -> dict[str, dict[str, Any]]:
    """The contestants of each work."""
    saved = json.loads((folder / "peers.json").read_text())
    return {one["work"]: {row["name"]: row for row in one["contestants"]} for one in saved["measurements"]}


@pytest.mark.slow
@pytest.mark.parametrize("work", ["digits", "digits-grid"])
def test_all_learn_the_same(measured: dict[str, dict[str, Any]], work: str) -> None:
    compared = {name: row for name, row in measured[work].items() if row.get("loss_difference") is not None}
    expected = {name for name in ON_CPU if not missing(name)} | ({"xpmlp-grid"} if work == "digits-grid" else set())
    assert compared.keys() == expected
    for name, row in compared.items():
        assert row["loss_difference"] < 1e-5, name
        assert row["problem"] is None
        assert len(row["rounds"]) == (1 if name == "xpmlp-grid" else 2)


@pytest.mark.slow
def test_all_reach_the_same_accuracies(measured: dict[str, dict[str, Any]]) -> None:
    rows = measured["digits-accuracy"]
    reference = [end["accuracy"] for end in rows[REFERENCE.name]["trainings"][0]]
    assert max(reference) >= max(WORKS["digits-accuracy"].targets)
    for name, row in rows.items():
        if not missing(name):
            assert row["problem"] is None
            accuracies = [end["accuracy"] for end in row["trainings"][0]]
            np.testing.assert_allclose(accuracies, reference, atol=0.006, err_msg=name)  # one example of 180


@pytest.mark.slow
def test_the_page_has_a_table_for_each_work(folder: Path) -> None:
    text = (folder / "peers.md").read_text()
    for name in ("digits", "digits-grid", "digits-accuracy"):
        assert f"### {WORKS[name].title}, 1 thread\n" in text
    if not missing("xpmlp-torch"):
        assert "| PyTorch eager / xpmlp on PyTorch | " in text
    assert "![" in text
    assert "(peers.png)" in text
    assert (folder / "peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_whole_process(tmp_path: Path) -> None:
    options = ["--config", str(QUICKSTART), "--epochs", "1", "--rounds", "1", "--out", str(tmp_path)]
    assert process.main(options) == 0
    saved = json.loads((tmp_path / "process.json").read_text())
    whole, loop = saved["whole process, s"]["median"], saved["training loop, s"]["median"]
    assert whole > loop > 0
    assert saved["peak memory, MB"]["median"] > 20
    assert "| whole process / (training loop + imports) |" in (tmp_path / "process.md").read_text()


@pytest.mark.slow
def test_a_contestant_that_fails_says_why() -> None:
    seat = Seat(Entry("nobody", "nobody", "nowhere:Nobody", "cpu"), 1)
    try:
        with pytest.raises(ContestantError, match=r"ModuleNotFoundError: .*nowhere"):
            seat.ask("prepare", WORKS["digits"])
    finally:
        seat.close()


def test_ratios_and_differences_are_to_the_reference() -> None:
    reference = Row(REFERENCE, [3.0, 1.0, 2.0], np.asarray([2.0, 4.0]))
    floor = Row(FLOOR, [0.5, 0.5, 0.5])
    other = Row(CONTESTANTS["torch"], [4.0, 4.0, 9.0], np.asarray([2.0, 4.4]))
    means = Row(CONTESTANTS["sklearn"], [8.0], np.asarray([3.3]))
    failed = Row(CONTESTANTS["keras"], problem="not installed")
    measurement = Measurement(WORKS["digits"], 1, [reference, floor, other, means, failed])
    assert reference.spread == Spread(2.0, 1.5, 2.5)
    assert measurement.times(other, REFERENCE.name) == 2.0
    assert measurement.times(other, FLOOR.name) == 8.0
    assert measurement.times(failed, REFERENCE.name) is None
    assert measurement.times_by_round("torch", REFERENCE.name) == 4.0  # of 4/3, 4 and 9/2
    assert measurement.times_by_round("sklearn", REFERENCE.name) is None  # it did not take part in all rounds
    assert measurement.times_by_round("keras", REFERENCE.name) is None
    assert measurement.loss_difference(other) == pytest.approx(0.1)
    assert measurement.loss_difference(means) == pytest.approx(0.1)
    assert measurement.loss_difference(floor) is None


@pytest.mark.parametrize(
    "options", [["--works", "mnits"], ["--threads", "0"], ["--threads", "100000"], ["--rounds", "-1"]], ids=" ".join
)
def test_mistakes_are_usage_errors(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        peers.main(options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err
