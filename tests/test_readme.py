"""README.md: every command in it works, and every file that it names exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from xpmlp.config import load_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_two_commands_are_single_lines(name: str) -> None:
    printed = subprocess.run(
        ["bash", ".ci/readme-command", name], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.count("\n") == 1
    assert printed.startswith("python3 -m venv ")
    assert printed in TEXT


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", TEXT)
    assert len(targets) > 10
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_config_is_listed_and_valid() -> None:
    for config in (ROOT / "configs").glob("*.toml"):
        assert f"({config.relative_to(ROOT)})" in TEXT, config
    for named in re.findall(r"configs/[\w/-]+\.toml", TEXT):
        load_config(ROOT / named)


def test_the_toml_shown_is_valid(tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").touch()
    for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL):
        file = tmp_path / "shown.toml"
        file.write_text(block if "[data]" in block else '[data]\nname = "digits"\n' + block)
        load_config(file)


def test_the_python_shown_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        names: dict[str, object] = {}
        exec(block, names)
        assert names.keys() & {"result", "gradients"}


def test_every_extra_that_is_named_exists() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"'\.\[(\w+)\]'", TEXT):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
