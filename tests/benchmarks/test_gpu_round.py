"""The round on a GPU: parts that fail, hang or are interrupted, and their entries in the record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from benchmarks.contestants import CONTESTANTS
from benchmarks.gpu_round import __main__ as command
from benchmarks.gpu_round import parts, record, rounds, suite, timing
from benchmarks.gpu_round.parts import PARTS, Part
from benchmarks.gpu_round.record import Record, RecordError
from benchmarks.gpu_round.wheels import WheelsError, install
from benchmarks.works import WORKS

ROOT = Path(__file__).parents[2]

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to end")


def part(name: str, *, cost: int = 0, limit: int = 60) -> Part:
    """A part of ``round_parts.py``, named after its function."""
    return Part(name, name.replace("_", " "), f"tests.benchmarks.round_parts:{name}", cost, limit, cost)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Record]:
    """Run a round of these parts, and read what it has written."""

    def run(*chosen: Part, minutes: float = 5, resume: bool = False, stand_in: bool = False) -> Record:
        monkeypatch.setattr(record, "PARTS", chosen)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        begun = Record.open(tmp_path / "out", stand_in=stand_in, resume=resume)
        rounds.run_round(begun, chosen, tmp_path / "work", 60 * minutes, environment, lambda line: None)
        return Record.open(tmp_path / "out", stand_in=stand_in, resume=True)

    return run


def page(tmp_path: Path) -> str:
    return (tmp_path / "out" / "gpu_round.md").read_text()


def is_alive(process: int) -> bool:
    """Whether it runs: one that has ended may wait to be reaped by whoever inherited it."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to be")


@pytest.mark.slow
def test_all_that_parts_tell_is_written(run: Callable[..., Record], tmp_path: Path) -> None:
    done = run(part("passes"), part("finds_a_fault"), part("lacks_data"), part("breaks"))
    assert [entry.status for entry in done.entries.values()] == ["passed", "failed", "failed", "failed"]
    assert done.failed == ["finds_a_fault", "lacks_data", "breaks"]
    text = page(tmp_path)
    for sentence in ("It runs.", "The moon: it is behind a cloud.", "2 is 3.", "there is no mnist here.", "It begins."):
        assert f"- {sentence}\n" in text
    assert "| a | b |\n| --- | ---: |\n| 1 | 2 |\n" in text
    assert "Its process ended with status 1." in text
    assert "ZeroDivisionError" in done.entries["breaks"].output
    assert "Traceback" not in done.entries["lacks_data"].output


@posix
@pytest.mark.slow
def test_a_part_that_does_not_end_is_ended_with_all_that_it_started(run: Callable[..., Record], tmp_path: Path) -> None:
    done = run(part("never_ends", limit=4), part("passes"))
    entry = done.entries["never_ends"]
    assert (entry.status, entry.reason) == ("failed", "It took longer than 4 s.")
    assert entry.findings["seen"] == ["It begins."]
    assert not is_alive(int((tmp_path / "work" / "never_ends" / "child.txt").read_text()))
    assert done.entries["passes"].status == "passed", "the others are run all the same"


@posix
@pytest.mark.slow
def test_what_the_minutes_do_not_suffice_for_is_left_to_a_later_call(
    run: Callable[..., Record], tmp_path: Path
) -> None:
    chosen = part("passes"), part("never_ends"), part("finds_a_fault", cost=1000)
    done = run(*chosen, minutes=0.1)
    assert [entry.status for entry in done.entries.values()] == ["passed", "cut off", "not begun"]
    assert "continue with `--resume`" in done.entries["finds_a_fault"].reason
    assert done.failed == [], "no part has failed"
    assert done.entries["never_ends"].findings["seen"] == ["It begins."]
    again = run(part("passes"), part("never_ends", limit=2), part("finds_a_fault"), resume=True)
    assert [entry.status for entry in again.entries.values()] == ["passed", "failed", "failed"]
    assert (tmp_path / "work" / "runs.txt").read_text() == "passes\n", "what was settled is not run again"
    assert again.begun == done.begun


@pytest.mark.slow
def test_what_failed_is_tried_again_after_the_rest(run: Callable[..., Record]) -> None:
    run(part("breaks"), part("passes", cost=1000), minutes=1)
    fixed = Part("breaks", "mended", "tests.benchmarks.round_parts:passes", 0, 60, 0)
    done = run(fixed, part("passes"), resume=True)
    assert [entry.status for entry in done.entries.values()] == ["passed", "passed"]


@posix
@pytest.mark.slow
def test_a_round_that_is_killed_has_said_what_it_knew_and_leaves_nothing_running(tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    script = (
        "from pathlib import Path\nfrom tests.benchmarks.test_gpu_round import part\n"
        "from benchmarks.gpu_round import record, rounds\nimport os\n"
        "record.PARTS = chosen = [part('passes'), part('never_ends')]\n"
        f"begun = record.Record.open(Path({str(out)!r}), stand_in=False, resume=False)\n"
        f"rounds.run_round(begun, chosen, Path({str(work)!r}), 300, os.environ, print)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    child = work / "never_ends" / "child.txt"
    wait_until(lambda: child.exists() and "It begins." in (out / "gpu_round.md").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    parts = json.loads((out / "gpu_round.json").read_text())["parts"]
    assert {one["name"]: one["status"] for one in parts} == {"passes": "passed", "never_ends": "cut off"}
    assert parts[1]["findings"]["seen"] == ["It begins."], "what it had found is known"
    wait_until(lambda: not is_alive(int(child.read_text())))


def test_an_earlier_round_is_kept(run: Callable[..., Record], tmp_path: Path) -> None:
    run(part("finds_a_fault"))
    done = run(part("passes"))
    assert list(done.entries) == ["passes"]
    kept = sorted(path.suffix for path in (tmp_path / "out").glob("gpu_round-*"))
    assert kept == [".json", ".md"]


@pytest.mark.slow
def test_a_stand_in_is_in_cupys_place(run: Callable[..., Record]) -> None:
    done = run(part("says_what_cupy_is"), stand_in=True)
    assert done.entries["says_what_cupy_is"].findings["seen"] == ["Stand-in"]


def test_what_no_round_can_go_on_with_is_one_sentence(run: Callable[..., Record], tmp_path: Path) -> None:
    run(part("passes"))
    with pytest.raises(
        RecordError, match=r"of a round without --stand-in, and this one is with: give another --out\.$"
    ):
        Record.open(tmp_path / "out", stand_in=True, resume=True)
    (tmp_path / "out" / "gpu_round.json").write_text('{"parts": 3}')
    with pytest.raises(RecordError, match=r"gpu_round\.json is no record of a round .* give another --out\.$"):
        Record.open(tmp_path / "out", stand_in=False, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--parts", "verfy-mnist"], "--parts: there is no part 'verfy-mnist'; there are machine, verify-quickstart,"),
        (["--wheels", "nowhere"], "holds no wheels: fill it with `pip download`"),
    ],
)
def test_mistakes_are_one_sentence(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*options, "--out", str(tmp_path), "--work", str(tmp_path / "work")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow(reason="starts pip three times")
def test_wheels_are_installed_without_a_network(tmp_path: Path) -> None:
    import zipfile

    wheels, site = tmp_path / "wheels", tmp_path / "site"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "brought_along-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("brought_along.py", "here = True\n")
        wheel.writestr(
            "brought_along-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: brought-along\nVersion: 1.0\n"
        )
        wheel.writestr(
            "brought_along-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("brought_along-1.0.dist-info/RECORD", "")
    install(wheels, site)
    assert (site / "brought_along.py").exists()
    (site / "brought_along.py").unlink()
    install(wheels, site)
    assert not (site / "brought_along.py").exists(), "the same wheels are not installed again"
    (wheels / "no_wheel-1.0-py3-none-any.whl").write_text("")
    with pytest.raises(WheelsError, match="pip cannot install the wheels"):
        install(wheels, site)


def test_parts_name_what_there_is() -> None:
    """A misspelt name would be found only where the GPU is."""
    assert len({one.name for one in PARTS}) == len(PARTS)
    assert {*timing.OURS, *timing.OTHERS, *timing.COMPILED} <= CONTESTANTS.keys()
    for one in PARTS:
        module, _, name = one.where.partition(":")
        assert callable(getattr(__import__(module, fromlist=[name]), name))
        assert one.cost < one.limit
    asked: list[Any] = []
    for measure in (timing.peers_small, timing.peers_large, timing.accuracy, timing.grid, timing.torch_compile):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timing, "_peers", lambda works, contestants, *_: asked.append((works, contestants)))
            measure(None, None)  # type: ignore[arg-type]
    for works, contestants in asked:
        assert set(works) <= WORKS.keys()
        assert set(contestants) <= CONTESTANTS.keys()
    assert [one.name for one in parts.named("suite, machine")] == ["machine", "suite"]


def test_the_suites_results_are_read(tmp_path: Path) -> None:
    results = tmp_path / "suite.xml"
    results.write_text(
        '<testsuites><testsuite><testcase classname="a" name="one"/><testcase classname="a" name="two">'
        '<failure message="assert 1 == 2&#10;more">text</failure></testcase><testcase classname="a" name="three">'
        '<skipped message="no"/></testcase></testsuite></testsuites>'
    )
    assert suite.read(results) == ({"passed": 1, "failed": 1, "skipped": 1}, {"a::two": "assert 1 == 2"})


def test_the_page_names_every_part_with_its_cost_and_every_package() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text()
    table = text.partition("| part | seconds, about |")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    told = {
        name.strip(" `"): int(cost)
        for _, names, costs, *_ in rows
        for name, cost in zip(names.split(","), costs.split(","), strict=True)
    }
    assert told == {one.name: one.cost for one in PARTS}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = (Requirement(line).name for line in project["dependencies"] + project["optional-dependencies"]["test"])
    downloaded = text.partition("pip download")[2].partition("```")[0].split()
    assert set(named) <= set(downloaded)
