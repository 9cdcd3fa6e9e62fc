"""``xpmlp page`` and ``xpmlp compare``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART
from xpmlp.errors import RunFolderError


def test_the_page_is_written_and_its_parts_are_told(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "digits.html"
    done = xpmlp("page", digits_run, "--split", "test", "--out", out)
    assert done.status == 0, done
    assert done.out.startswith(f"{out} (")
    assert "Which images it takes for others" in done.err
    assert "On the test part, 360 examples." in out.read_text(encoding="utf-8")
    assert xpmlp("page", digits_run, "--out", out, "--quiet") == (0, "", "")


def test_what_is_no_run_is_refused(xpmlp: Run, tmp_path: Path) -> None:
    xpmlp("page", tmp_path, "--quiet").assert_refused("is not a run folder")


QUICK = ("--set", "train.epochs=1", "--set", "output.page=true", "--set", "output.plots=false")


def test_a_training_writes_its_page_if_it_is_asked_to(xpmlp: Run, tmp_path: Path) -> None:
    done = xpmlp("train", QUICKSTART, "--out", tmp_path / "run", *QUICK)
    assert done.out.endswith(f"its page: {tmp_path / 'run' / 'page.html'}\n"), done
    assert "page: How good it is\n" in done.err
    assert "How good it is" in (tmp_path / "run" / "page.html").read_text(encoding="utf-8")
    xpmlp("train", QUICKSTART, "--out", tmp_path / "run", *QUICK[:2], "--overwrite", "--quiet")
    assert not (tmp_path / "run" / "page.html").exists(), "a page of an earlier training is no page of this one"


@pytest.mark.slow
def test_of_a_grid_the_best_runs_page_is_written(xpmlp: Run, tmp_path: Path) -> None:
    done = xpmlp("train", QUICKSTART, "--out", tmp_path / "grid", *QUICK, "--set", "grid.learning_rate=[0.001, 0.1]")
    assert done.status == 0, done
    assert [path.parent.name for path in tmp_path.rglob("page.html")] == ["1"]


@pytest.mark.parametrize("error", [RunFolderError("the disk is full."), ValueError()])
def test_a_page_that_fails_leaves_the_training_whole(
    xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("xpmlp.pages.write_page", fail)
    done = xpmlp("train", QUICKSTART, "--out", tmp_path / "run", *QUICK, "--quiet")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith(f"warning: the page was not written: {str(error).rstrip('.') or 'ValueError'}; ")
    assert done.err.count("\n") == 1
    assert xpmlp("evaluate", tmp_path / "run").status == 0


def test_compared_runs_are_told_and_written(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "compare.html"
    assert xpmlp("train", QUICKSTART, "--out", other, *QUICK[:2], "--quiet").status == 0
    done = xpmlp("compare", digits_run, other, "--out", out)
    assert (done.status, done.err) == (0, "digits\nother\n")
    for words in ("model.hidden_layer_sizes  [16]", "scores of the test part", "accuracy, less that of digits"):
        assert words in done.out, done.out
    assert done.out.endswith(f"page: {out}\n")
    assert "Is it chance?" in out.read_text(encoding="utf-8")
    xpmlp("compare", digits_run, other, "--out", other / "run.json").assert_refused("would replace")
    xpmlp("compare", digits_run).assert_refused("give two or more")
