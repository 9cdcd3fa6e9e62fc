"""docs/extending.md, followed to the letter: its files are written, its commands and its Python are run."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xpmlp.cli import main
from xpmlp.config import load_config
from xpmlp.config.names import tables

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]}

FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """A function (command) -> (exit status, output, errors), in a folder and with modules of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xpmlp.plots.draw_run", lambda folder: None)  # slow, and not of this page
    before = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
        for table in tables().values():
            table._given.clear()
            table._outside.clear()

    def run(command: str) -> tuple[int, str, str]:
        forget()  # as a process of its own
        program, *arguments = shlex.split(command)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", [str(tmp_path), *sys.path] if program == "python" else [*sys.path])
            patch.setattr(sys, "argv", [program, *arguments])
            status = 0
            try:
                runpy.run_path(arguments[0], run_name="__main__") if program == "python" else main()
            except SystemExit as end:
                status = int(end.code or 0)
        return (status, *capsys.readouterr())

    yield run
    forget()


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_page_says_works(section: str, run: Run) -> None:
    text = SECTIONS[section]
    files = dict(FILE.findall(text))
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")
    commands = COMMAND.findall(text)
    assert sum(name.endswith(".toml") for name in files) == 1
    assert len(commands) >= 2
    for command in commands:
        if "--allow-code" in command:
            status, _, errors = run(command.replace(" --allow-code", ""))
            assert status == 2
            assert " is code from outside of xpmlp" in errors
        status, output, errors = run(command)
        assert (status, errors) == (0, ""), command
        if " evaluate " in command:
            assert float(re.findall(r"accuracy (\S+)", output)[0]) > 0.9
    (script,) = (name for name in files if name.startswith("train_"))
    status, output, errors = run(f"python {script}")
    assert (status, errors) == (0, "")
    assert float(re.findall(r"value=\D*([\d.]+)", output)[0]) > 0.9
    (config,) = (name for name in files if name.endswith(".toml"))
    saved = Path("runs/from-python/config.toml")
    assert load_config(saved).model_copy(update={"output": load_config(config).output}) == load_config(config)


def test_there_is_a_section_for_every_kind() -> None:
    assert len(SECTIONS) == 7
