"""Parts that are computed, and parts that are kept: after an interruption, after a change, beside another part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from xpmlp.cli.app import app
from xpmlp.errors import ConfigError, DataError, RunFolderError, XpmlpError
from xpmlp.report import FinishedPart, Interrupted, Report, ReportPart, ReportReporter, write_report
from xpmlp.report.demands import Demand
from xpmlp.report.document import Paragraph
from xpmlp.report.part import RECORD, PartContents, PartInputs
from xpmlp.report.parts import COMPUTING_ORDER, PARTS, named_parts
from xpmlp.report.schedule import PartSchedule
from xpmlp.storage.run_folder import locked

pytestmark = pytest.mark.slow  # parts in processes of their own


class Heard(ReportReporter):
    """The events, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def part_kept(self, part: ReportPart, done: FinishedPart) -> None:
        self.events.append(f"{part.name} kept")

    def part_begins(self, part: ReportPart, beside: bool) -> None:
        self.events.append(f"{part.name} begins" + " beside" * beside)

    def part_ends(self, part: ReportPart, done: FinishedPart) -> None:
        self.events.append(f"{part.name} ends")


def plain(work: PartInputs) -> dict[str, Any]:
    (work.folder / "file.csv").write_text("a\n1\n")
    return {"needed": {name: done.results["number"] for name, done in work.needed.items()}, "number": 7}


def slow(work: PartInputs) -> dict[str, Any]:
    time.sleep(60)
    return {}


def failing(work: PartInputs) -> dict[str, Any]:
    raise DataError("there are no data.")


def dying(work: PartInputs) -> dict[str, Any]:
    os._exit(1)


def show(done: FinishedPart, quick: bool) -> PartContents:
    return PartContents([Paragraph(str(done.results))], [])


def part(name: str, compute: Any = plain, **more: Any) -> ReportPart:
    return ReportPart(name, name.upper(), compute, show, **more)


def run(folder: Path, parts: list[ReportPart], names: list[str] | None = None, stop: Any = lambda: False) -> list[str]:
    heard = Heard()
    schedule = PartSchedule(parts, folder, quick=False, backend=None)
    schedule.run(names or [one.name for one in parts], heard, stop)
    return heard.events


def test_a_part_with_demands_is_computed_in_a_process_of_its_own(tmp_path: Path) -> None:
    parts = [part("a", beside=True, demands=(Demand(lambda config: True, "needs nothing"),)), part("b")]
    assert run(tmp_path, parts) == ["a begins beside", "b begins", "b ends", "a ends"]


def test_parts_get_what_they_need_and_are_computed_once(tmp_path: Path) -> None:
    parts = [part("a"), part("b", needs=("a",)), part("c")]
    assert run(tmp_path, parts, ["b"]) == ["a begins", "a ends", "b begins", "b ends"]
    record = json.loads((tmp_path / "b" / RECORD).read_text())
    assert record["results"]["needed"] == {"a": 7}
    assert run(tmp_path, parts) == ["a kept", "b kept", "c begins", "c ends"]


def test_a_changed_dependency_is_computed_again_with_what_needs_it(tmp_path: Path) -> None:
    parts = [part("a"), part("b", needs=("a",)), part("c")]
    run(tmp_path, parts)
    parts[0] = part("a", config="figure2")
    (tmp_path / "a" / "old.csv").touch()
    assert run(tmp_path, parts) == ["a begins", "a ends", "b begins", "b ends", "c kept"]
    assert not (tmp_path / "a" / "old.csv").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_part_with_a_damaged_record_is_computed_again(tmp_path: Path, content: str) -> None:
    run(tmp_path, [part("a")])
    (tmp_path / "a" / RECORD).write_text(content)
    assert run(tmp_path, [part("a")]) == ["a begins", "a ends"]


def test_the_small_version_is_another_report(tmp_path: Path) -> None:
    run(tmp_path, [part("a")])
    assert PartSchedule([part("a")], tmp_path, quick=True, backend=None).finished() == {}


def test_a_part_beside_the_others_ends_before_what_needs_it(tmp_path: Path) -> None:
    parts = [part("a", beside=True), part("b"), part("c", needs=("a",))]
    assert run(tmp_path, parts) == [
        "a begins beside", "b begins", "b ends", "a ends", "c begins", "c ends"
    ]  # fmt: skip
    assert json.loads((tmp_path / "c" / RECORD).read_text())["results"]["needed"] == {"a": 7}


def test_stopping_ends_a_part_beside_at_once_and_keeps_the_finished_ones(tmp_path: Path) -> None:
    parts = [part("a"), part("b", slow, beside=True), part("c")]
    started = time.perf_counter()
    with pytest.raises(Interrupted):
        run(tmp_path, parts, stop=lambda: (tmp_path / "c" / RECORD).exists())
    assert time.perf_counter() - started < 30
    assert run(tmp_path, [part("a"), part("c")]) == ["a kept", "c kept"]
    assert not (tmp_path / "b" / RECORD).exists()


WAITING = """
import sys
import time
from pathlib import Path
from xpmlp.report.part import ReportPart
from xpmlp.report.schedule import ReportReporter, PartSchedule

def wait(work):
    print("waiting", flush=True)
    time.sleep(60)

def run():
    parts = [ReportPart("a", "A", wait, None, beside=True)]
    PartSchedule(parts, Path(sys.argv[1]), quick=False, backend=None).run(["a"], ReportReporter(), lambda: False)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_part_beside_ends_with_a_report_that_is_killed(tmp_path: Path) -> None:
    """The two share their output, which is at its end when both are gone."""
    (tmp_path / "waiting.py").write_text(WAITING)  # a module: a process does not run the script that starts it
    script = tmp_path / "report.py"
    script.write_text("import waiting\nwaiting.run()\n")
    report = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert report.stdout is not None
    assert report.stdout.readline() == "waiting\n"
    report.send_signal(signal.SIGKILL)
    assert report.communicate(timeout=30) == ("", None)


def test_an_error_of_a_part_beside_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no data"):
        run(tmp_path, [part("a", failing, beside=True)])
    with pytest.raises(XpmlpError, match="the process that computed a died"):
        run(tmp_path, [part("a", dying, beside=True)])


def test_a_config_that_a_part_cannot_use_is_refused_before_the_first_part(tmp_path: Path) -> None:
    never = Demand(lambda config: False, "needs what there is not")
    parts = [part("a"), part("b", config="figure2", demands=(never,), needs=("a",)), part("c")]
    with pytest.raises(ConfigError, match=r"figure2\.toml: the part b needs what there is not\.$"):
        run(tmp_path, parts, ["b"])
    assert not list(tmp_path.iterdir())
    assert run(tmp_path, parts, ["a", "c"]) == ["a begins", "a ends", "c begins", "c ends"]


def test_every_part_comes_after_what_it_needs() -> None:
    assert {one.name for one in COMPUTING_ORDER} == {one.name for one in PARTS}
    seen: set[str] = set()
    for one in COMPUTING_ORDER:
        assert set(one.needs) <= seen
        seen.add(one.name)


def test_names_and_aliases_of_parts() -> None:
    assert [one.name for one in named_parts(["table3", "figure3b", "table2"])] == ["tables2-3", "figure3"]
    assert named_parts(None) == list(PARTS)
    with pytest.raises(ConfigError, match="no part 'table5': choose among questions, question1"):
        named_parts(["table1", "table5"])
    with pytest.raises(ConfigError, match="names no part"):
        named_parts([])


def modified(folder: Path) -> Mapping[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"*/{RECORD}")}


def test_a_finished_report_is_only_set_again(quick: Report, folder: Path) -> None:
    before, heard = modified(folder), Heard()
    again = write_report(folder, quick=True, reporter=heard)
    assert heard.events == [f"{one.name} kept" for one in COMPUTING_ORDER]
    assert modified(folder) == before
    assert again.comparisons == quick.comparisons


def test_an_interrupted_report_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    with pytest.raises(Interrupted):
        write_report(folder, quick=True, only=["table1"], should_stop=lambda: True)
    assert not (folder / "report.html").exists()
    heard = Heard()
    report = write_report(folder, quick=True, only=["table1"], reporter=heard)
    assert heard.events == ["table1 begins", "table1 ends"]
    assert list(report.done) == ["table1"]


def test_two_reports_do_not_share_a_folder(tmp_path: Path) -> None:
    write_report(tmp_path / "report", quick=True, only=["table1"])
    with locked(tmp_path / "report"), pytest.raises(RunFolderError, match="report is in use"):
        write_report(tmp_path / "report", quick=True, only=["questions"])


def test_a_training_that_is_interrupted_is_no_finished_part(tmp_path: Path) -> None:
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(Interrupted):
        write_report(tmp_path / "report", quick=True, only=["figure2"], should_stop=stop)
    assert not (tmp_path / "report" / "figure2" / RECORD).exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match="is not empty, and is not a report's: choose another with --out"):
        write_report(tmp_path, quick=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "thesis.tex"]
    with pytest.raises(RunFolderError, match="is a file, not a folder"):
        write_report(tmp_path / "final" / "thesis.tex", quick=True)


def test_the_command(tmp_path: Path) -> None:
    out = str(tmp_path / "report")
    runner = CliRunner()
    first = runner.invoke(app, ["report", "--quick", "--out", out, "--only", "table1, questions"])
    assert first.exit_code == 0, first.output
    assert "Table 1: the 2-3-2 network by hand: done in" in first.output
    assert "5 of 5 figures are as the coursework's or better" in first.output
    second = runner.invoke(app, ["report", "--quick", "--out", out, "--only", "table1"])
    assert "Table 1: the 2-3-2 network by hand: finished" in second.output
    text = (tmp_path / "report" / "report.html").read_text()
    assert "Questions 1 and 2" in text  # finished before, so it stays on the page
    assert runner.invoke(app, ["report", "--quick", "--out", out, "--only", "table1", "--quiet"]).output == ""
    wrong = runner.invoke(app, ["report", "--out", out, "--only", "table5"])
    assert isinstance(wrong.exception, ConfigError)


def test_the_small_version_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a try would replace the parts of a whole report."""
    monkeypatch.chdir(tmp_path)
    for options in ((), ("--quick",)):
        assert CliRunner().invoke(app, ["report", "--only", "table1", *options]).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["report", "report-quick"]
