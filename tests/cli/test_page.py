"""``xpmlp page``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


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
